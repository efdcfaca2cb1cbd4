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
