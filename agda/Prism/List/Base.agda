{-# OPTIONS --safe --without-K #-}

-- Lists of numbers as ordered stores: positions, membership, ascending order, insertion sort without duplicates.

module Prism.List.Base where

open import Agda.Builtin.List public using (List; []; _∷_)

open import Prism.Logic.Base
open import Prism.Nat.Base

module _ {A : Set} where

  infix  4 _∈_ _∉_
  infixr 5 _++_

  data _∈_ (x : A) : List A → Set where
    here  : ∀ {y xs} → x ≡ y → x ∈ y ∷ xs
    there : ∀ {y xs} → x ∈ xs → x ∈ y ∷ xs

  _∉_ : A → List A → Set
  x ∉ xs = ¬ (x ∈ xs)

  -- Every element satisfies P.
  All : (A → Set) → List A → Set
  All P xs = ∀ {x} → x ∈ xs → P x

  -- The same elements, whatever their order and number.
  SameSet : List A → List A → Set
  SameSet xs ys = ∀ {x} → x ∈ xs ⇔ x ∈ ys

  _++_ : List A → List A → List A
  []       ++ ys = ys
  (x ∷ xs) ++ ys = x ∷ (xs ++ ys)

  length : List A → Nat
  length []       = zero
  length (x ∷ xs) = suc (length xs)

  filter : (A → Bool) → List A → List A
  filter p []       = []
  filter p (x ∷ xs) = if p x then x ∷ filter p xs else filter p xs

  all : (A → Bool) → List A → Bool
  all p []       = true
  all p (x ∷ xs) = p x ∧ all p xs

  -- The element at a position, counted from zero.
  at : List A → Nat → Maybe A
  at []       i       = nothing
  at (x ∷ xs) zero    = just x
  at (x ∷ xs) (suc i) = at xs i

  -- No element occurs at two positions.
  data NoDup : List A → Set where
    []  : NoDup []
    _∷_ : ∀ {x xs} → x ∉ xs → NoDup xs → NoDup (x ∷ xs)

module _ {A B : Set} where

  map : (A → B) → List A → List B
  map f []       = []
  map f (x ∷ xs) = f x ∷ map f xs

  foldl : (B → A → B) → B → List A → B
  foldl f z []       = z
  foldl f z (x ∷ xs) = foldl f (f z x) xs

-- The first position of a number.
find : Nat → List Nat → Maybe Nat
find k []       = nothing
find k (x ∷ xs) = if k == x then just zero else mapMaybe suc (find k xs)

-- Whether a number occurs.
member : Nat → List Nat → Bool
member k []       = false
member k (x ∷ xs) = if k == x then true else member k xs

-- Strictly ascending.
data Ascending : List Nat → Set where
  []  : Ascending []
  _∷_ : ∀ {x xs} → All (x <_) xs → Ascending xs → Ascending (x ∷ xs)

-- Put a number into an ascending list, unless it is there.
insert : Nat → List Nat → List Nat
insert k []       = k ∷ []
insert k (x ∷ xs) = if k <ᵇ x then k ∷ x ∷ xs else if k == x then x ∷ xs else x ∷ insert k xs

-- The elements in ascending order, each once.
canon : List Nat → List Nat
canon []       = []
canon (x ∷ xs) = insert x (canon xs)
