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
open import Prism.Rewrite.Lemmas
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

-- A numeral denotes its number.
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

-- A term that can be rewritten no more is a numeral.
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

-- Every rewrite makes a term lighter, wherever it happens and in whatever order operands match.
step-lighter : ∀ {t u} → t ⟶ u → weight u < weight t
step-lighter (by {r} m σ p)   = subst (weight (instantiate (Rule.rhs r) σ) <_) (∼-weight p) (rule-lighter m σ)
step-lighter (suc p)          = s≤s (step-lighter p)
step-lighter (addˡ {u = u} p) = double-mono (+-monoˡ-< (weight u) (step-lighter p))
step-lighter (addʳ {t = t} p) = double-mono (+-monoʳ-< (weight t) (step-lighter p))
step-lighter (mulˡ {u = u} p) = power₃-mono (+-monoˡ-< (weight u) (step-lighter p))
step-lighter (mulʳ {t = t} p) = power₃-mono (+-monoʳ-< (weight t) (step-lighter p))

-- So every way of rewriting ends: no sequence has more rewrites than the weight of its first term.
steps-bounded : ∀ {t u} (p : t ⟶* u) → steps p ≤ weight t
steps-bounded done       = z≤n
steps-bounded (p then q) = ≤-trans (s≤s (steps-bounded q)) (step-lighter p)
