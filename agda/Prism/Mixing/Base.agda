{-# OPTIONS --safe --without-K #-}

-- What orders the new keys of a batch: any injection of keys, given with what undoes it, and the one that Python takes.

module Prism.Mixing.Base where

open import Prism.Generated
open import Prism.Key.Base
open import Prism.Logic.Base
open import Prism.Nat.Base

record Mixing : Set where
  constructor mixing
  field
    mix    : Nat → Nat
    unmix  : Nat → Nat
    undone : ∀ k → unmix (mix k) ≡ k

-- Of two numbers, below 2 ^ n, the bits that differ.
xor : Nat → Nat → Nat → Nat
xor zero    x y = 0
xor (suc n) x y = (x % 2 + y % 2) % 2 + 2 * xor n (x / 2) (y / 2)

-- A number of 64 bits and itself, shifted to the right.
fold64 : Nat → Nat
fold64 x = xor 64 x (x / 2 ^ mix-shift)

times64 : Nat → Nat → Nat
times64 m x = m * x % 2 ^ 64

-- The mixing of Python's keys, and what undoes it.
mix64 unmix64 : Nat → Nat
mix64 x   = fold64 (times64 mix-second (fold64 (times64 mix-first (fold64 x))))
unmix64 x = fold64 (times64 mix-first-undone (fold64 (times64 mix-second-undone (fold64 x))))

-- Python packs a node alike in every layout; here its place in the order is that of the key for ids of 28 bits.
mixKey unmixKey : Nat → Nat → Nat
mixKey w k   = mix64 (pack 28 (unpack w k))
unmixKey w m = pack w (unpack 28 (unmix64 m))

-- Where g undoes f the order of f, and an injection of all numbers.
patch unpatch : (Nat → Nat) → (Nat → Nat) → Nat → Nat
patch f g k   = if g (f k) == k then f k * 2 + 0 else k * 2 + 1
unpatch f g m = if m % 2 == 0 then g (m / 2) else m / 2
