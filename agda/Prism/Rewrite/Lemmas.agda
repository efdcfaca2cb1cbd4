{-# OPTIONS --safe --without-K #-}

-- Substitution, and rewriting of numerals.

module Prism.Rewrite.Lemmas where

open import Prism.Generated
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Rewrite.Base
open import Prism.Signature.Base

instantiate-value : {V : Set} (t : Term V) (σ : V → Closed) → value (instantiate t σ) ≡ ⟦ t ⟧ (λ v → value (σ v))
instantiate-value (var v)   σ = refl
instantiate-value zero      σ = refl
instantiate-value (suc t)   σ = cong suc (instantiate-value t σ)
instantiate-value (add t u) σ = cong₂ _+_ (instantiate-value t σ) (instantiate-value u σ)
instantiate-value (mul t u) σ = cong₂ _*_ (instantiate-value t σ) (instantiate-value u σ)

∼-refl : ∀ t → t ∼ t
∼-refl (var ())
∼-refl zero      = zero
∼-refl (suc t)   = suc (∼-refl t)
∼-refl (add t u) = add (∼-refl t) (∼-refl u)
∼-refl (mul t u) = mul (∼-refl t) (∼-refl u)

two : Closed → Closed → Nat → Closed
two t u zero    = t
two t u (suc _) = u

add-zero : ∀ t → add zero t ⟶ t
add-zero t = by (here refl) (λ _ → t) (∼-refl _)

add-suc : ∀ t u → add (suc t) u ⟶ suc (add t u)
add-suc t u = by (there (here refl)) (two t u) (∼-refl _)

mul-zero : ∀ t → mul zero t ⟶ zero
mul-zero t = by (there (there (here refl))) (λ _ → t) (∼-refl _)

mul-suc : ∀ t u → mul (suc t) u ⟶ add u (mul t u)
mul-suc t u = by (there (there (there (here refl)))) (two t u) (∼-refl _)

infixr 5 _⨾_
_⨾_ : ∀ {t u v} → t ⟶* u → u ⟶* v → t ⟶* v
done       ⨾ q = q
(p then r) ⨾ q = p then (r ⨾ q)

under : (f : Closed → Closed) → (∀ {t u} → t ⟶ u → f t ⟶ f u) → ∀ {t u} → t ⟶* u → f t ⟶* f u
under f lift done       = done
under f lift (p then q) = lift p then under f lift q

add-numerals : ∀ m n → add (numeral m) (numeral n) ⟶* numeral (m + n)
add-numerals zero    n = add-zero (numeral n) then done
add-numerals (suc m) n = add-suc (numeral m) (numeral n) then under suc suc (add-numerals m n)

mul-numerals : ∀ m n → mul (numeral m) (numeral n) ⟶* numeral (m * n)
mul-numerals zero    n = mul-zero (numeral n) then done
mul-numerals (suc m) n = mul-suc (numeral m) (numeral n) then
  (under (add (numeral n)) addʳ (mul-numerals m n) ⨾ add-numerals n (m * n))

-- Weights --------------------------------------------------------------------

double-mono : ∀ {m n} → m < n → double m < double n
double-mono p = +-mono-≤ p (<⇒≤ p)

power₃-positive : ∀ n → 1 ≤ power₃ n
power₃-positive zero    = s≤s z≤n
power₃-positive (suc n) = ≤-trans (power₃-positive n) (m≤m+n (power₃ n) (power₃ n + power₃ n))

power₃-step : ∀ n → power₃ n < power₃ (suc n)
power₃-step n = subst (_≤ power₃ (suc n)) (+-comm (power₃ n) 1)
  (+-mono-≤ (≤-refl {power₃ n}) (≤-trans (power₃-positive n) (m≤m+n (power₃ n) (power₃ n))))

power₃-mono-≤ : ∀ {m n} → m ≤ n → power₃ m ≤ power₃ n
power₃-mono-≤ {n = n} z≤n = power₃-positive n
power₃-mono-≤ (s≤s p) = +-mono-≤ (power₃-mono-≤ p) (+-mono-≤ (power₃-mono-≤ p) (power₃-mono-≤ p))

power₃-mono : ∀ {m n} → m < n → power₃ m < power₃ n
power₃-mono {m} p = ≤-trans (power₃-step m) (power₃-mono-≤ p)

n<power₃ : ∀ n → n < power₃ n
n<power₃ zero    = s≤s z≤n
n<power₃ (suc n) = ≤-trans (s≤s (n<power₃ n)) (power₃-step n)

double<power₃ : ∀ {x} y → 1 ≤ x → double y < power₃ (x + y)
double<power₃ {x} y p = ≤-trans
  (+-mono-≤ (n<power₃ y) (≤-trans (<⇒≤ (n<power₃ y)) (m≤m+n (power₃ y) (power₃ y))))
  (power₃-mono-≤ (+-mono-≤ p (≤-refl {y})))

double-suc : ∀ n → suc (double n) < double (suc n)
double-suc n = subst (suc (suc (n + n)) ≤_) (cong suc (sym (+-suc n n))) ≤-refl

weight-positive : ∀ t → 1 ≤ weight t
weight-positive (var ())
weight-positive zero      = s≤s z≤n
weight-positive (suc t)   = s≤s z≤n
weight-positive (add t u) =
  ≤-trans (weight-positive t) (≤-trans (m≤m+n (weight t) (weight u)) (m≤m+n (weight t + weight u) _))
weight-positive (mul t u) = power₃-positive (weight t + weight u)

∼-weight : ∀ {t u} → t ∼ u → weight t ≡ weight u
∼-weight zero      = refl
∼-weight (suc p)   = cong suc (∼-weight p)
∼-weight (add p q) = cong double (cong₂ _+_ (∼-weight p) (∼-weight q))
∼-weight (mul p q) = cong power₃ (cong₂ _+_ (∼-weight p) (∼-weight q))
∼-weight (add-swap {t} {t′} {u} {u′} p q) =
  cong double (trans (cong₂ _+_ (∼-weight p) (∼-weight q)) (+-comm (weight t′) (weight u′)))
∼-weight (mul-swap {t} {t′} {u} {u′} p q) =
  cong power₃ (trans (cong₂ _+_ (∼-weight p) (∼-weight q)) (+-comm (weight t′) (weight u′)))

rule-lighter : ∀ {r} → r ∈ rules → ∀ σ → weight (instantiate (Rule.rhs r) σ) < weight (instantiate (Rule.lhs r) σ)
rule-lighter (here refl) σ = m≤m+n (suc (weight (σ 0))) _
rule-lighter (there (here refl)) σ = double-suc (weight (σ 0) + weight (σ 1))
rule-lighter (there (there (here refl))) σ = ≤-trans (n<power₃ 1) (power₃-mono-≤ {1} {suc (weight (σ 0))} (s≤s z≤n))
rule-lighter (there (there (there (here refl)))) σ = heavier (weight (σ 1)) (power₃ (weight (σ 0) + weight (σ 1)))
  (double<power₃ (weight (σ 1)) (weight-positive (σ 0)))
  where
  regroup : ∀ y p → (y + p) + (y + p) ≡ double y + (p + p)
  regroup y p = trans (+-assoc y p (y + p)) (trans (cong (y +_) (trans (sym (+-assoc p y p))
    (trans (cong (_+ p) (+-comm p y)) (+-assoc y p p)))) (sym (+-assoc y y (p + p))))

  heavier : ∀ y p → double y < p → double (y + p) < p + (p + p)
  heavier y p q = subst (_< p + (p + p)) (sym (regroup y p)) (+-mono-≤ q (≤-refl {p + p}))

+-monoˡ-< : ∀ {m n} o → m < n → m + o < n + o
+-monoˡ-< o p = +-mono-≤ p (≤-refl {o})
