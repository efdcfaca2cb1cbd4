{-# OPTIONS --safe --without-K #-}

-- Every row of a reachable ledger packs a node in order over earlier rows.

open import Prism.Signature.Base

module Prism.Sharing.Lemmas (ops : Signature) where

open import Prism.Generated hiding (ops)
open import Prism.Key.Base
open import Prism.Ledger.Base ops
open import Prism.Ledger.Lemmas ops
open import Prism.Ledger.Properties ops
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Sharing.Base ops

open Config
open Ledger
open Valid
open _⇔_

false⇒≯ : ∀ {m n} → m < n → (n <ᵇ m) ≡ false
false⇒≯ {m} {n} p with decide (n <ᵇ m)
... | inj₁ q = absurd (<-asym p (<ᵇ⇒< n m q))
... | inj₂ q = q

normalise-idempotent : ∀ x → normalise (normalise x) ≡ normalise x
normalise-idempotent x with lookupOp (Node.op x) ops in p
... | nothing rewrite p = refl
... | just o with Op.commutes o in q
...   | false rewrite p | q = refl
...   | true with Node.b x <ᵇ Node.a x in r
...     | false rewrite p | q | r = refl
...     | true  rewrite p | q | false⇒≯ (<ᵇ⇒< (Node.b x) (Node.a x) r) = refl

normalise-bare : ∀ o → normalise (node o 0 0) ≡ node o 0 0
normalise-bare o with lookupOp o ops
... | nothing = refl
... | just p with Op.commutes p
...   | true  = refl
...   | false = refl

-- Operands of a commuting op that are in order both ways are one.
ordered-twice : ∀ {o a b} → Commuting o → normalise (node o a b) ≡ node o a b → normalise (node o b a) ≡ node o b a →
  a ≡ b
ordered-twice {o} {a} {b} (p , q , r) m n rewrite q | r with compare a b
... | equal e = e
... | less l rewrite <⇒<ᵇ l = cong Node.a n
... | greater l rewrite <⇒<ᵇ l = sym (cong Node.a m)

allBuilt-initial : ∀ c → Roomy c → AllBuilt c (keys (initial c))
allBuilt-initial c p = rows
  where
  zero-fits : Fits (bits c) 0
  zero-fits = below-cap (2 ^ bits c) (≤-trans (s≤s z≤n) (≤-trans p (limit-≤-idCount c)))

  rows : AllBuilt c (keys (initial c))
  rows 0 refl = built refl (packable zero-fits zero-fits) (normalise-bare null-code) λ ()
  rows 1 refl = built refl (packable zero-fits zero-fits) (normalise-bare unit-code) λ q → q , q
  rows (suc (suc i)) ()

allBuilt-landed : ∀ c ks batch → Valid c (ledger ks ok) → AllBuilt c ks →
  All (λ x → wellFormed (length ks) x ≡ true) batch → AllBuilt c (ks ++ fresh c ks (map (encode c) batch))
allBuilt-landed c ks batch v all-built p i {k} q with decide (i <ᵇ length ks)
... | inj₁ r = all-built i (old (<ᵇ⇒< i (length ks) r))
  where
  old : i < length ks → at ks i ≡ just k
  old s with at ks i in e
  ... | just j  = trans (sym (at-++ˡ ks _ i e)) q
  ... | nothing = absurd (beyond ks i e s)
    where
    beyond : ∀ xs j → at xs j ≡ nothing → ¬ (j < length xs)
    beyond []       j       e ()
    beyond (x ∷ xs) (suc j) e (s≤s l) = beyond xs j e l
... | inj₂ r with ∈-map⁻ (encode c) batch (fst (to (∈-fresh c ks (map (encode c) batch))
                    (at-++-≥ ks (fresh c ks (map (encode c) batch)) i (<ᵇ-false i (length ks) r) q)))
...   | x , m , refl = built refl (packable-normal v x (p m)) (normalise-idempotent x)
  λ _ → ≤-trans (fst below) (<ᵇ-false i (length ks) r) , ≤-trans (snd below) (<ᵇ-false i (length ks) r)
  where
  below = normalise-< (length ks) x (wellFormed-< (length ks) x (occupied v) (p m))

allBuilt-after : ∀ c l batch → Valid c l → AllBuilt c (keys l) → AllBuilt c (keys (after c l batch))
allBuilt-after c (ledger ks ok) batch v h with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = h
... | _ | landed p q  = allBuilt-landed c ks batch v h p
allBuilt-after c (ledger ks oom)     batch v h = h
allBuilt-after c (ledger ks corrupt) batch v h = h

allBuilt-run : ∀ c l batches → Valid c l → AllBuilt c (keys l) → AllBuilt c (keys (run c l batches))
allBuilt-run c l []                v h = h
allBuilt-run c l (batch ∷ batches) v h =
  allBuilt-run c (after c l batch) batches (valid-after c l batch v) (allBuilt-after c l batch v h)

reachable⇒allBuilt : ∀ c l → Roomy c → Reachable c l → AllBuilt c (keys l)
reachable⇒allBuilt c _ p (batches , refl) = allBuilt-run c (initial c) batches (valid-initial c p) (allBuilt-initial c p)
