{-# OPTIONS --safe --without-K #-}

-- A node as one number: op, then two operands of w bits each.

module Prism.Key.Base where

open import Prism.Logic.Base
open import Prism.Nat.Base

record Node : Set where
  constructor node
  field
    op a b : Nat

-- The id fits w bits and is not the all-ones pattern.
Fits : Nat → Nat → Set
Fits w i = suc i < 2 ^ w

-- Both operands fit.
record Packable (w : Nat) (n : Node) : Set where
  constructor packable
  field
    a-fits : Fits w (Node.a n)
    b-fits : Fits w (Node.b n)

pack : Nat → Node → Nat
pack w (node o a b) = (o * 2 ^ w + a) * 2 ^ w + b

unpack : Nat → Nat → Node
unpack w k = node (k / 2 ^ w / 2 ^ w) (k / 2 ^ w % 2 ^ w) (k % 2 ^ w)

-- Marks an empty slot: every bit of an operand set.
Marker : Nat → Nat → Set
Marker w k = suc (k % 2 ^ w) ≡ 2 ^ w
