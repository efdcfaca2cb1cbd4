{-# OPTIONS --safe --without-K #-}

-- Terms, what they denote in the natural numbers, and rewriting by the rule table.

module Prism.Rewrite.Base where

open import Prism.Generated
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base
open import Prism.Signature.Base

infix 4 _∼_ _⟶_ _⟶*_

-- The number that an op gives for the numbers of its operands; an unknown op and NULL give zero.
apply : Nat → Nat → Nat → Nat
apply code x y =
  if code == suc-code then suc x else
  if code == add-code then x + y else
  if code == mul-code then x * y else 0

-- The number that a term denotes, given those of its variables.
⟦_⟧ : {V : Set} → Term V → (V → Nat) → Nat
⟦ var v ⟧   env = env v
⟦ zero ⟧    env = zero
⟦ suc t ⟧   env = suc (⟦ t ⟧ env)
⟦ add t u ⟧ env = ⟦ t ⟧ env + ⟦ u ⟧ env
⟦ mul t u ⟧ env = ⟦ t ⟧ env * ⟦ u ⟧ env

Closed : Set
Closed = Term ⊥

value : Closed → Nat
value t = ⟦ t ⟧ λ ()

-- The normal form of a number.
numeral : Nat → Closed
numeral zero    = zero
numeral (suc n) = suc (numeral n)

-- Put terms for the variables.
instantiate : {V W : Set} → Term V → (V → Term W) → Term W
instantiate (var v)   σ = σ v
instantiate zero      σ = zero
instantiate (suc t)   σ = suc (instantiate t σ)
instantiate (add t u) σ = add (instantiate t σ) (instantiate u σ)
instantiate (mul t u) σ = mul (instantiate t σ) (instantiate u σ)

-- Terms that differ in the order of operands of commuting ops.
data _∼_ : Closed → Closed → Set where
  zero     : zero ∼ zero
  suc      : ∀ {t t′} → t ∼ t′ → suc t ∼ suc t′
  add      : ∀ {t t′ u u′} → t ∼ t′ → u ∼ u′ → add t u ∼ add t′ u′
  mul      : ∀ {t t′ u u′} → t ∼ t′ → u ∼ u′ → mul t u ∼ mul t′ u′
  add-swap : ∀ {t t′ u u′} → t ∼ t′ → u ∼ u′ → add t u ∼ add u′ t′
  mul-swap : ∀ {t t′ u u′} → t ∼ t′ → u ∼ u′ → mul t u ∼ mul u′ t′

-- One rule applied anywhere, operands of commuting ops in either order.
data _⟶_ : Closed → Closed → Set where
  by   : ∀ {r t} → r ∈ rules → (σ : Nat → Closed) → instantiate (Rule.lhs r) σ ∼ t → t ⟶ instantiate (Rule.rhs r) σ
  suc  : ∀ {t t′} → t ⟶ t′ → suc t ⟶ suc t′
  addˡ : ∀ {t t′ u} → t ⟶ t′ → add t u ⟶ add t′ u
  addʳ : ∀ {t u u′} → u ⟶ u′ → add t u ⟶ add t u′
  mulˡ : ∀ {t t′ u} → t ⟶ t′ → mul t u ⟶ mul t′ u
  mulʳ : ∀ {t u u′} → u ⟶ u′ → mul t u ⟶ mul t u′

data _⟶*_ : Closed → Closed → Set where
  done : ∀ {t} → t ⟶* t
  _then_ : ∀ {t u v} → t ⟶ u → u ⟶* v → t ⟶* v

Irreducible : Closed → Set
Irreducible t = ∀ {u} → ¬ (t ⟶ u)

-- How many rewrites a sequence has.
steps : ∀ {t u} → t ⟶* u → Nat
steps done       = zero
steps (p then q) = suc (steps q)

double : Nat → Nat
double n = n + n

-- The n-th power of three.
power₃ : Nat → Nat
power₃ zero    = 1
power₃ (suc n) = power₃ n + (power₃ n + power₃ n)

-- A bound for the rewrites that a term can undergo; symmetric in the operands of commuting ops.
weight : Closed → Nat
weight (var ())
weight zero      = 1
weight (suc t)   = suc (weight t)
weight (add t u) = double (weight t + weight u)
weight (mul t u) = power₃ (weight t + weight u)
