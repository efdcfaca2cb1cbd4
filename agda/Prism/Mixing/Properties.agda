{-# OPTIONS --safe --without-K #-}

-- Any function and any candidate for what undoes it make a mixing; so does the one that Python takes.

module Prism.Mixing.Properties where

open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Mixing.Base
open import Prism.Nat.Base
open import Prism.Nat.Properties

-- Patched, a function is an injection, whatever it was.
unpatch-patch : ∀ f g k → unpatch f g (patch f g k) ≡ k
unpatch-patch f g k with g (f k) == k in p
... | true  rewrite %-digits 2 (f k) 0 (s≤s z≤n) | /-digits 2 (f k) 0 (s≤s z≤n) = ==⇒≡ (g (f k)) k p
... | false rewrite %-digits 2 k 1 (s≤s (s≤s z≤n)) | /-digits 2 k 1 (s≤s (s≤s z≤n)) = refl
