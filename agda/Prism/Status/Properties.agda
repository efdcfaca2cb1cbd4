{-# OPTIONS --safe --without-K #-}

-- Statuses form a semilattice: failures join in any order, and the worse one wins.

module Prism.Status.Properties where

open import Prism.Generated
open import Prism.Logic.Base
open import Prism.Nat.Base
open import Prism.Nat.Properties using (≤-refl; ≤-step)

-- The status of a union does not depend on the order of its parts.
⊔-comm : ∀ x y → x ⊔ y ≡ y ⊔ x
⊔-comm ok      ok      = refl
⊔-comm ok      oom     = refl
⊔-comm ok      corrupt = refl
⊔-comm oom     ok      = refl
⊔-comm oom     oom     = refl
⊔-comm oom     corrupt = refl
⊔-comm corrupt ok      = refl
⊔-comm corrupt oom     = refl
⊔-comm corrupt corrupt = refl

-- Nor on their grouping.
⊔-assoc : ∀ x y z → (x ⊔ y) ⊔ z ≡ x ⊔ (y ⊔ z)
⊔-assoc ok      ok      ok      = refl
⊔-assoc ok      ok      oom     = refl
⊔-assoc ok      ok      corrupt = refl
⊔-assoc ok      oom     ok      = refl
⊔-assoc ok      oom     oom     = refl
⊔-assoc ok      oom     corrupt = refl
⊔-assoc ok      corrupt ok      = refl
⊔-assoc ok      corrupt oom     = refl
⊔-assoc ok      corrupt corrupt = refl
⊔-assoc oom     ok      ok      = refl
⊔-assoc oom     ok      oom     = refl
⊔-assoc oom     ok      corrupt = refl
⊔-assoc oom     oom     ok      = refl
⊔-assoc oom     oom     oom     = refl
⊔-assoc oom     oom     corrupt = refl
⊔-assoc oom     corrupt ok      = refl
⊔-assoc oom     corrupt oom     = refl
⊔-assoc oom     corrupt corrupt = refl
⊔-assoc corrupt ok      ok      = refl
⊔-assoc corrupt ok      oom     = refl
⊔-assoc corrupt ok      corrupt = refl
⊔-assoc corrupt oom     ok      = refl
⊔-assoc corrupt oom     oom     = refl
⊔-assoc corrupt oom     corrupt = refl
⊔-assoc corrupt corrupt ok      = refl
⊔-assoc corrupt corrupt oom     = refl
⊔-assoc corrupt corrupt corrupt = refl

-- Ok changes nothing.
⊔-ok : ∀ x → ok ⊔ x ≡ x
⊔-ok ok      = refl
⊔-ok oom     = refl
⊔-ok corrupt = refl

-- Corrupt outranks everything.
⊔-corrupt : ∀ x → corrupt ⊔ x ≡ corrupt
⊔-corrupt ok      = refl
⊔-corrupt oom     = refl
⊔-corrupt corrupt = refl

-- A join is never better than its parts: no failure is forgotten.
⊔-upper : ∀ x y → statusCode x ≤ statusCode (x ⊔ y)
⊔-upper ok      y       = z≤n
⊔-upper oom     ok      = ≤-refl
⊔-upper oom     oom     = ≤-refl
⊔-upper oom     corrupt = ≤-step ≤-refl
⊔-upper corrupt ok      = ≤-refl
⊔-upper corrupt oom     = ≤-refl
⊔-upper corrupt corrupt = ≤-refl
