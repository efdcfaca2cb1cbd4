{-# OPTIONS --safe --without-K #-}

-- Two ledgers that hold the same nodes under two layouts.

module Prism.Layout.Base where

open import Prism.Key.Base
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base

-- The same nodes in the same places, packed for ids of v bits on one side and of w bits on the other.
data Twin (v w : Nat) : List Nat → List Nat → Set where
  []  : Twin v w [] []
  _∷_ : ∀ {x ks js} → Packable v x × Packable w x → Twin v w ks js → Twin v w (pack v x ∷ ks) (pack w x ∷ js)
