{-# OPTIONS --safe --without-K #-}

-- Laws of equality and of the Booleans.

module Prism.Logic.Properties where

open import Prism.Logic.Base

sym : {A : Set} {x y : A} → x ≡ y → y ≡ x
sym refl = refl

trans : {A : Set} {x y z : A} → x ≡ y → y ≡ z → x ≡ z
trans refl q = q

cong : {A B : Set} (f : A → B) {x y : A} → x ≡ y → f x ≡ f y
cong f refl = refl

cong₂ : {A B C : Set} (f : A → B → C) {x x′ : A} {y y′ : B} → x ≡ x′ → y ≡ y′ → f x y ≡ f x′ y′
cong₂ f refl refl = refl

subst : {A : Set} (P : A → Set) {x y : A} → x ≡ y → P x → P y
subst P refl p = p

absurd : {A : Set} → ⊥ → A
absurd ()

true≢false : true ≢ false
true≢false ()

just-injective : {A : Set} {x y : A} → just x ≡ just y → x ≡ y
just-injective refl = refl

∧-left : {x y : Bool} → (x ∧ y) ≡ true → x ≡ true
∧-left {true} p = refl

∧-right : {x y : Bool} → (x ∧ y) ≡ true → y ≡ true
∧-right {true} p = p

∧-intro : {x y : Bool} → x ≡ true → y ≡ true → (x ∧ y) ≡ true
∧-intro refl q = q

not-true : {x : Bool} → not x ≡ true → x ≡ false
not-true {false} p = refl

false-not : {x : Bool} → x ≡ false → not x ≡ true
false-not refl = refl

-- Every Boolean is one of the two, with the equation at hand.
decide : (x : Bool) → (x ≡ true) ⊎ (x ≡ false)
decide true  = inj₁ refl
decide false = inj₂ refl

-- Booleans that are true together are equal.
bool-ext : {x y : Bool} → (x ≡ true → y ≡ true) → (y ≡ true → x ≡ true) → x ≡ y
bool-ext {true}  {y}     f g = sym (f refl)
bool-ext {false} {true}  f g = g refl
bool-ext {false} {false} f g = refl
