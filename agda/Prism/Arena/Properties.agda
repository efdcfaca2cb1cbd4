{-# OPTIONS --safe --without-K #-}

-- Erasure: no order of the slots changes what a slot means.

module Prism.Arena.Properties where

open import Prism.Arena.Base
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base

open _≅_

-- After any rearrangement, a slot means at its new place what it meant at its old one, to every depth.
erasure : {S T : Set} (π : S ≅ T) (arena : Arena S) → ∀ depth s →
  unfold depth (permute π arena) (to π s) ≡ unfold depth arena s
erasure π arena zero        s = refl
erasure π arena (suc depth) s rewrite from-to π s =
  cong₂ (tree _) (erasure π arena depth _) (erasure π arena depth _)

-- Two orders in turn are one order: cell by cell the arenas are the same.
permute-compose : {S T U : Set} (π : S ≅ T) (ρ : T ≅ U) (arena : Arena S) → ∀ u →
  permute ρ (permute π arena) u ≡ permute (π ⨟ ρ) arena u
permute-compose π ρ arena u = refl

-- Undoing an order gives the arena back.
permute-inverse : {S T : Set} (π : S ≅ T) (ρ : T ≅ S) (arena : Arena S) → (∀ s → to ρ (to π s) ≡ s) → ∀ s →
  permute ρ (permute π arena) s ≡ arena s
permute-inverse π ρ arena undo s = trans (cong (λ t → mapCell (to ρ) (mapCell (to π) (arena (from π t)))) at-s) cells
  where
  at-s : from ρ s ≡ to π s
  at-s = trans (cong (from ρ) (sym (undo s))) (from-to ρ (to π s))

  cells : mapCell (to ρ) (mapCell (to π) (arena (from π (to π s)))) ≡ arena s
  cells rewrite from-to π s | undo (Cell.a (arena s)) | undo (Cell.b (arena s)) = refl

-- A sort of the whole, then one within each block, then one of the blocks: the hierarchical order erases too.
erasure-hierarchical : {S B C I J : Set} (sort : S ≅ (B × I)) (inner : B → I ≅ J) (blocks : B ≅ C) (arena : Arena S) →
  ∀ depth s →
  unfold depth (permute (outer blocks) (permute (blockwise inner) (permute sort arena)))
    (to (outer blocks) (to (blockwise inner) (to sort s)))
  ≡ unfold depth arena s
erasure-hierarchical sort inner blocks arena depth s =
  trans (erasure (outer blocks) _ depth _) (trans (erasure (blockwise inner) _ depth _) (erasure sort arena depth s))

-- An order that keeps NULL keeps every NULL pointer.
null-kept : {S T : Set} (π : S ≅ T) (arena : Arena S) {null : S} {null′ : T} → to π null ≡ null′ → ∀ s →
  Cell.a (arena s) ≡ null → Cell.a (permute π arena (to π s)) ≡ null′
null-kept π arena p s q rewrite from-to π s | q = p
