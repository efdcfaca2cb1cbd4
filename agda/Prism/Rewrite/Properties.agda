{-# OPTIONS --safe --without-K #-}

-- Rewriting keeps the meaning of terms, and every term has exactly one normal form: the numeral of its value.

module Prism.Rewrite.Properties where

open import Prism.Generated
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Rewrite.Base
open import Prism.Signature.Base

-- Every rule of the table has sides with one meaning.
rules-sound : All (λ r → ∀ env → ⟦ Rule.lhs r ⟧ env ≡ ⟦ Rule.rhs r ⟧ env) rules
rules-sound (here refl)                         env = refl
rules-sound (there (here refl))                 env = refl
rules-sound (there (there (here refl)))         env = refl
rules-sound (there (there (there (here refl)))) env = refl

-- Every op that the table says commutes does.
commutes-sound : All (λ o → Op.commutes o ≡ true → ∀ x y → apply (Op.code o) x y ≡ apply (Op.code o) y x) ops
commutes-sound (there (there (there (here refl))))         p x y = +-comm x y
commutes-sound (there (there (there (there (here refl))))) p x y = *-comm x y
commutes-sound (here refl)                         ()
commutes-sound (there (here refl))                 ()
commutes-sound (there (there (here refl)))         ()

instantiate-value : {V : Set} (t : Term V) (σ : V → Closed) → value (instantiate t σ) ≡ ⟦ t ⟧ (λ v → value (σ v))
instantiate-value (var v)   σ = refl
instantiate-value zero      σ = refl
instantiate-value (suc t)   σ = cong suc (instantiate-value t σ)
instantiate-value (add t u) σ = cong₂ _+_ (instantiate-value t σ) (instantiate-value u σ)
instantiate-value (mul t u) σ = cong₂ _*_ (instantiate-value t σ) (instantiate-value u σ)

-- The order of operands of commuting ops has no meaning.
∼-sound : ∀ {t u} → t ∼ u → value t ≡ value u
∼-sound zero      = refl
∼-sound (suc p)   = cong suc (∼-sound p)
∼-sound (add p q) = cong₂ _+_ (∼-sound p) (∼-sound q)
∼-sound (mul p q) = cong₂ _*_ (∼-sound p) (∼-sound q)
∼-sound (add-swap {t} {t′} {u} {u′} p q) =
  trans (cong₂ _+_ (∼-sound p) (∼-sound q)) (+-comm (value t′) (value u′))
∼-sound (mul-swap {t} {t′} {u} {u′} p q) =
  trans (cong₂ _*_ (∼-sound p) (∼-sound q)) (*-comm (value t′) (value u′))

-- A rewrite anywhere keeps the meaning of the whole.
step-sound : ∀ {t u} → t ⟶ u → value t ≡ value u
step-sound (by {r} m σ p) = trans (sym (∼-sound p))
  (trans (instantiate-value (Rule.lhs r) σ) (trans (rules-sound m _) (sym (instantiate-value (Rule.rhs r) σ))))
step-sound (suc p)          = cong suc (step-sound p)
step-sound (addˡ {u = u} p) = cong (_+ value u) (step-sound p)
step-sound (addʳ {t = t} p) = cong (value t +_) (step-sound p)
step-sound (mulˡ {u = u} p) = cong (_* value u) (step-sound p)
step-sound (mulʳ {t = t} p) = cong (value t *_) (step-sound p)

-- So does any number of rewrites.
steps-sound : ∀ {t u} → t ⟶* u → value t ≡ value u
steps-sound done       = refl
steps-sound (p then q) = trans (step-sound p) (steps-sound q)

numeral-value : ∀ n → value (numeral n) ≡ n
numeral-value zero    = refl
numeral-value (suc n) = cong suc (numeral-value n)

-- No rule applies to a numeral.
numeral-irreducible : ∀ n → Irreducible (numeral n)
numeral-irreducible zero    (by (here refl) σ ())
numeral-irreducible zero    (by (there (here refl)) σ ())
numeral-irreducible zero    (by (there (there (here refl))) σ ())
numeral-irreducible zero    (by (there (there (there (here refl)))) σ ())
numeral-irreducible (suc n) (by (here refl) σ ())
numeral-irreducible (suc n) (by (there (here refl)) σ ())
numeral-irreducible (suc n) (by (there (there (here refl))) σ ())
numeral-irreducible (suc n) (by (there (there (there (here refl)))) σ ())
numeral-irreducible (suc n) (suc p) = numeral-irreducible n p

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

-- Every term can be rewritten to the numeral of its value.
normalises : ∀ t → t ⟶* numeral (value t)
normalises (var ())
normalises zero      = done
normalises (suc t)   = under suc suc (normalises t)
normalises (add t u) =
  under (λ x → add x u) addˡ (normalises t) ⨾ under (add (numeral (value t))) addʳ (normalises u) ⨾
  add-numerals (value t) (value u)
normalises (mul t u) =
  under (λ x → mul x u) mulˡ (normalises t) ⨾ under (mul (numeral (value t))) mulʳ (normalises u) ⨾
  mul-numerals (value t) (value u)

irreducible⇒numeral : ∀ t → Irreducible t → t ≡ numeral (value t)
irreducible⇒numeral t stuck with normalises t
... | q = stop q
  where
  stop : ∀ {u} → t ⟶* u → t ≡ u
  stop done       = refl
  stop (p then _) = absurd (stuck p)

-- Whatever the order of rewrites, a term that can be rewritten no more is the numeral of the first term's value.
normal-form-unique : ∀ {t u} → t ⟶* u → Irreducible u → u ≡ numeral (value t)
normal-form-unique {t} {u} p stuck = trans (irreducible⇒numeral u stuck) (cong numeral (sym (steps-sound p)))

-- Two numerals that one term is rewritten to are one.
numerals-unique : ∀ {t} m n → t ⟶* numeral m → t ⟶* numeral n → m ≡ n
numerals-unique m n p q =
  trans (sym (trans (steps-sound p) (numeral-value m))) (trans (steps-sound q) (numeral-value n))
