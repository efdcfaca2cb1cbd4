{-# OPTIONS --safe --without-K #-}

-- The connectives and data that every other module uses.

module Prism.Logic.Base where

open import Agda.Builtin.Bool public using (Bool; true; false)
open import Agda.Builtin.Equality public using (_≡_; refl)
open import Agda.Builtin.Maybe public using (Maybe; just; nothing)
open import Agda.Builtin.Sigma public using (Σ; _,_; fst; snd)
open import Agda.Builtin.Unit public using (⊤; tt)

infix  0 if_then_else_
infix  3 ¬_
infix  4 _≢_
infixr 2 _×_
infixr 1 _⊎_
infixr 6 _∧_
infixr 9 _∘_

data ⊥ : Set where

¬_ : Set → Set
¬ A = A → ⊥

_≢_ : {A : Set} → A → A → Set
x ≢ y = ¬ (x ≡ y)

_×_ : Set → Set → Set
A × B = Σ A (λ _ → B)

data _⊎_ (A B : Set) : Set where
  inj₁ : A → A ⊎ B
  inj₂ : B → A ⊎ B

-- Both directions of an equivalence.
infix 1 _⇔_
record _⇔_ (A B : Set) : Set where
  constructor equivalence
  field
    to   : A → B
    from : B → A

_∘_ : {A B C : Set} → (B → C) → (A → B) → A → C
(g ∘ f) x = g (f x)

if_then_else_ : {A : Set} → Bool → A → A → A
if true  then x else y = x
if false then x else y = y

not : Bool → Bool
not true  = false
not false = true

_∧_ : Bool → Bool → Bool
true  ∧ y = y
false ∧ y = false

mapMaybe : {A B : Set} → (A → B) → Maybe A → Maybe B
mapMaybe f (just x) = just (f x)
mapMaybe f nothing  = nothing

fromMaybe : {A : Set} → A → Maybe A → A
fromMaybe default (just x) = x
fromMaybe default nothing  = default
