{-# OPTIONS --safe --without-K #-}

-- Words of gates on one qubit up to global phase: their classes, rewriting, normal forms.

module Prism.Gates.Base where

open import Prism.Gates.Generated
open import Prism.List.Base
open import Prism.Logic.Base

Word : Set
Word = List Gate

-- Where a word takes an axis: its gates act from the last to the first, as in the product of their matrices.
move : Word → Axis → Axis
move []      a = a
move (g ∷ w) a = turn g (move w a)

-- The words do the same to every axis: they are one gate up to global phase.
infix 4 _≈_ _⟶_ _⟶*_
_≈_ : Word → Word → Set
v ≈ w = ∀ a → move v a ≡ move w a

Rules : Set
Rules = List (Word × Word)

-- One rewrite by some rules, anywhere in the word.
data Step (rules : Rules) : Word → Word → Set where
  place : ∀ p {l r} s → (l , r) ∈ rules → Step rules (p ++ (l ++ s)) (p ++ (r ++ s))

-- One rewrite by the rules of the gates.
_⟶_ : Word → Word → Set
v ⟶ w = Step gateRules v w

-- Any number of rewrites.
data _⟶*_ : Word → Word → Set where
  done : ∀ {w} → w ⟶* w
  then : ∀ {u v w} → u ⟶ v → v ⟶* w → u ⟶* w

-- No rule applies.
Normal : Word → Set
Normal w = ∀ {v} → ¬ (w ⟶ v)
