{-# OPTIONS --safe --without-K #-}

-- The ids of a ledger over any signature are its trees, each once.

open import Prism.Signature.Base

module Prism.Sharing.Properties (ops : Signature) where

open import Prism.Key.Base
open import Prism.Key.Properties
open import Prism.Ledger.Base ops
open import Prism.Ledger.Properties ops
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Sharing.Base ops
open import Prism.Sharing.Lemmas ops

open Config
open Ledger
open Built

private
  same-packed : ∀ {w x y} → Packable w x → Packable w y → ∀ {k : Maybe Nat} → k ≡ just (pack w x) → k ≡ just (pack w y) →
    x ≡ y
  same-packed {w} p q e f = pack-injective w p q (just-injective (trans (sym e) f))

  in-order : ∀ c ks → AllBuilt c ks → ∀ {i x} → at ks i ≡ just (pack (bits c) x) → Packable (bits c) x →
    normalise x ≡ x
  in-order c ks h {i} e p with h i e
  ... | built q f o _ with pack-injective (bits c) p f q
  ...   | refl = o

-- An id stands for one tree.
one-tree : ∀ c ks {i s t} → Stands c ks i s → Stands c ks i t → s ≡ t
one-tree c ks null null = refl
one-tree c ks null (node () _ _ _ _)
one-tree c ks (node () _ _ _ _) null
one-tree c ks (node _ e p l r) (node _ f q m s) with same-packed p q e f
... | refl = cong₂ (tree _) (one-tree c ks l m) (one-tree c ks r s)

-- Every id of a reachable ledger stands for a tree.
some-tree : ∀ c l → Roomy c → Reachable c l → ∀ i {k} → at (keys l) i ≡ just k → Σ Tree (Stands c (keys l) i)
some-tree c l p r i e = below (suc i) i ≤-refl (at-< (keys l) i e)
  where
  present : ∀ ks j → j < length ks → Σ Nat (λ k → at ks j ≡ just k)
  present (k ∷ ks) zero    q       = k , refl
  present (k ∷ ks) (suc j) (s≤s q) = present ks j q

  below : ∀ n j → j < n → j < count l → Σ Tree (Stands c (keys l) j)
  below (suc n) zero    q       s = null , null
  below (suc n) (suc j) (s≤s q) s with present (keys l) (suc j) s
  ... | k , e with reachable⇒allBuilt c l p r (suc j) e
  ...   | built {node o a b} refl f _ g with g (s≤s z≤n)
  ...     | a<j , b<j with below n a (≤-trans a<j q) (<-trans a<j s) | below n b (≤-trans b<j q) (<-trans b<j s)
  ...       | x , u | y , v = tree o x y , node (s≤s z≤n) e f u v

-- Trees that are equal but for the order of operands of commuting ops have one id in a reachable ledger.
fully-shared : ∀ c l → Roomy c → Reachable c l → ∀ {i j s t} →
  Stands c (keys l) i s → Stands c (keys l) j t → s ≈ t → i ≡ j
fully-shared c l p r = go
  where
  ks    = keys l
  sound = reachable⇒valid c l p r
  order = in-order c ks (reachable⇒allBuilt c l p r)

  go : ∀ {i j s t} → Stands c ks i s → Stands c ks j t → s ≈ t → i ≡ j
  go null null null = refl
  go (node {i} _ e _ u v) (node {j} _ f _ x y) (same q h) with go u x q | go v y h
  ... | refl | refl = one-id c l sound i j e f
  go (node {i} _ e m u v) (node {j} _ f n x y) (swapped w q h) with go u y q | go v x h
  ... | refl | refl with ordered-twice w (order e m) (order f n)
  ...   | refl = one-id c l sound i j e f
