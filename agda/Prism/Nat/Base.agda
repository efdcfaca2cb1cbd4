{-# OPTIONS --safe --without-K #-}

-- Natural numbers: order as data, powers, division. The built-in operations keep the extracted model fast.

module Prism.Nat.Base where

open import Agda.Builtin.Nat public using (Nat; zero; suc; _+_; _-_; _*_; _==_) renaming (_<_ to _<ᵇ_)
open import Agda.Builtin.Nat using (div-helper; mod-helper)

infix  4 _≤_ _<_
infixr 8 _^_
infixl 7 _/_ _%_

data _≤_ : Nat → Nat → Set where
  z≤n : ∀ {n} → zero ≤ n
  s≤s : ∀ {m n} → m ≤ n → suc m ≤ suc n

_<_ : Nat → Nat → Set
m < n = suc m ≤ n

_^_ : Nat → Nat → Nat
b ^ zero  = 1
b ^ suc n = b * b ^ n

-- Quotient; by zero it is zero.
_/_ : Nat → Nat → Nat
n / zero  = zero
n / suc m = div-helper zero m n m

-- Remainder; by zero it is zero.
_%_ : Nat → Nat → Nat
n % zero  = zero
n % suc m = mod-helper zero m n m
