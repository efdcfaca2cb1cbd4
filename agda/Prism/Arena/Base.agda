{-# OPTIONS --safe --without-K #-}

-- The arena: nodes in slots, where a pointer is a slot; orders rearrange the slots, the erasure reads terms off them.

module Prism.Arena.Base where

open import Prism.Logic.Base
open import Prism.Nat.Base

-- A node whose operands are slots.
record Cell (S : Set) : Set where
  constructor cell
  field
    op  : Nat
    a b : S

-- Slots may be numbers, or pairs of a block and a place within it.
Arena : Set → Set
Arena S = S → Cell S

-- A rearrangement of slots.
record _≅_ (S T : Set) : Set where
  field
    to      : S → T
    from    : T → S
    from-to : ∀ s → from (to s) ≡ s
    to-from : ∀ t → to (from t) ≡ t

open _≅_

mapCell : {S T : Set} → (S → T) → Cell S → Cell T
mapCell f (cell o a b) = cell o (f a) (f b)

-- Slot t takes the cell of slot `from t`, and every pointer follows to its new slot.
rearrange : {S T : Set} → (S → T) → (T → S) → Arena S → Arena T
rearrange to from arena t = mapCell to (arena (from t))

-- Move every cell to its new slot, and every pointer with it.
permute : {S T : Set} → S ≅ T → Arena S → Arena T
permute π = rearrange (to π) (from π)

-- One order after another.
infixr 9 _⨟_
_⨟_ : {S T U : Set} → S ≅ T → T ≅ U → S ≅ U
to      (π ⨟ ρ) s = to ρ (to π s)
from    (π ⨟ ρ) u = from π (from ρ u)
from-to (π ⨟ ρ) s rewrite from-to ρ (to π s) = from-to π s
to-from (π ⨟ ρ) u rewrite to-from π (from ρ u) = to-from ρ u

-- An order within each block, the blocks staying where they are.
blockwise : {B S T : Set} → (B → S ≅ T) → (B × S) ≅ (B × T)
to      (blockwise π) (i , s) = i , to (π i) s
from    (blockwise π) (i , t) = i , from (π i) t
from-to (blockwise π) (i , s) rewrite from-to (π i) s = refl
to-from (blockwise π) (i , t) rewrite to-from (π i) t = refl

-- An order of the blocks, each keeping its inside.
outer : {B C S : Set} → B ≅ C → (B × S) ≅ (C × S)
to      (outer π) (i , s) = to π i , s
from    (outer π) (j , s) = from π j , s
from-to (outer π) (i , s) rewrite from-to π i = refl
to-from (outer π) (j , s) rewrite to-from π j = refl

-- What a slot means: its ops as a tree, to a depth.
data Tree : Set where
  cut  : Tree
  tree : Nat → Tree → Tree → Tree

unfold : {S : Set} → Nat → Arena S → S → Tree
unfold zero        arena s = cut
unfold (suc depth) arena s =
  tree (Cell.op (arena s)) (unfold depth arena (Cell.a (arena s))) (unfold depth arena (Cell.b (arena s)))
