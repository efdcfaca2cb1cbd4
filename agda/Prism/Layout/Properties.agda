{-# OPTIONS --safe --without-K #-}

-- The layout decides how nodes are packed, never which id they get.

open import Prism.Signature.Base using (Signature)

module Prism.Layout.Properties (ops : Signature) where

open import Prism.Generated hiding (ops)
open import Prism.Key.Base
open import Prism.Key.Properties
open import Prism.Layout.Base
open import Prism.Ledger.Base ops
open import Prism.Ledger.Lemmas ops
open import Prism.Ledger.Properties ops
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Mixing.Base
open import Prism.Nat.Base
open import Prism.Nat.Properties

open Config
open Ledger
open Mixing
open _⇔_

private
  -- Packing compares nodes alike in both layouts.
  module _ (v w : Nat) where

    Both : Node → Set
    Both x = Packable v x × Packable w x

    ==-agrees : ∀ {x y} → Both x → Both y → (pack v x == pack v y) ≡ (pack w x == pack w y)
    ==-agrees {x} {y} (p , p′) (q , q′) = bool-ext (carry v w p q) (carry w v p′ q′)
      where
      carry : ∀ t u → Packable t x → Packable t y → (pack t x == pack t y) ≡ true → (pack u x == pack u y) ≡ true
      carry t u r s e with pack-injective t r s (==⇒≡ (pack t x) (pack t y) e)
      ... | refl = ==-refl (pack u x)

    length-twin : ∀ {ks js} → Twin v w ks js → length ks ≡ length js
    length-twin []      = refl
    length-twin (_ ∷ t) = cong suc (length-twin t)

    ++-twin : ∀ {ks js ks′ js′} → Twin v w ks js → Twin v w ks′ js′ → Twin v w (ks ++ ks′) (js ++ js′)
    ++-twin []      u = u
    ++-twin (b ∷ t) u = b ∷ ++-twin t u

    member-twin : ∀ {x ks js} → Both x → Twin v w ks js → member (pack v x) ks ≡ member (pack w x) js
    member-twin b [] = refl
    member-twin {x} b (_∷_ {y} c t) rewrite ==-agrees {x} {y} b c with pack w x == pack w y
    ... | true  = refl
    ... | false = member-twin b t

    find-twin : ∀ {x ks js} → Both x → Twin v w ks js → find (pack v x) ks ≡ find (pack w x) js
    find-twin b [] = refl
    find-twin {x} b (_∷_ {y} c t) rewrite ==-agrees {x} {y} b c with pack w x == pack w y
    ... | true  = refl
    ... | false = cong (mapMaybe suc) (find-twin b t)

    filter-twin : ∀ {ks js ks′ js′} → Twin v w ks js → Twin v w ks′ js′ →
      Twin v w (filter (unknown ks) ks′) (filter (unknown js) js′)
    filter-twin t [] = []
    filter-twin {js = js} t (_∷_ {y} b u) rewrite member-twin {y} b t with member (pack w y) js
    ... | true  = filter-twin t u
    ... | false = b ∷ filter-twin t u

    encode-twin : (batch : List Node) → All (λ x → Both (normalise x)) batch →
      Twin v w (map (λ x → pack v (normalise x)) batch) (map (λ x → pack w (normalise x)) batch)
    encode-twin []          p = []
    encode-twin (x ∷ batch) p = p (here refl) ∷ encode-twin batch (λ m → p (there m))

  module _ (c d : Config) (agree : Agree c d) where

    ranks-twin : ∀ {ks js} → Twin (bits c) (bits d) ks js → map (rank c) ks ≡ map (rank d) js
    ranks-twin []                    = refl
    ranks-twin (_∷_ {x} (p , q) t) = cong₂ _∷_ (agree x p q) (ranks-twin t)

    pick : ∀ {ks js m} → Twin (bits c) (bits d) ks js → m ∈ map (rank c) ks →
      Σ Node (λ x → Both (bits c) (bits d) x × m ≡ rank c (pack (bits c) x))
    pick (_∷_ {x} b t) (here p)  = x , b , p
    pick (b ∷ t)       (there m) = pick t m

    unrank-twin : ∀ ms {ks js} → Twin (bits c) (bits d) ks js → All (_∈ map (rank c) ks) ms →
      Twin (bits c) (bits d) (map (unrank c) ms) (map (unrank d) ms)
    unrank-twin []       t p = []
    unrank-twin (m ∷ ms) t p with pick t (p (here refl)) | unrank-twin ms t (λ n → p (there n))
    ... | x , (q , r) , refl | rest
      rewrite undone (ranking c) (pack (bits c) x) | agree x q r | undone (ranking d) (pack (bits d) x) = (q , r) ∷ rest

    ordered-twin : ∀ {ks js} → Twin (bits c) (bits d) ks js → Twin (bits c) (bits d) (inOrder c ks) (inOrder d js)
    ordered-twin {ks} t = subst (λ ms → Twin (bits c) (bits d) (inOrder c ks) (map (unrank d) (canon ms)))
      (ranks-twin t)
      (unrank-twin (canon (map (rank c) ks)) t (λ m → to (∈-canon (map (rank c) ks)) m))

  ok-before : ∀ c l batch → status (after c l batch) ≡ ok → status l ≡ ok
  ok-before c (ledger ks ok)      batch p = refl
  ok-before c (ledger ks oom)     batch ()
  ok-before c (ledger ks corrupt) batch ()

  reserved-fits : ∀ c {o} → Roomy c → Packable (bits c) (node o 0 0)
  reserved-fits c p = packable zero-fits zero-fits
    where
    zero-fits : Fits (bits c) 0
    zero-fits = below-cap (2 ^ bits c) (≤-trans (s≤s z≤n) (≤-trans p (limit-≤-idCount c)))

-- If two ledgers that rank nodes alike hold the same nodes under two layouts and both accept a batch, they give the same
-- ids and hold the same nodes again.
layout-free : ∀ c d l k batch → Agree c d → Valid c l → Valid d k → Twin (bits c) (bits d) (keys l) (keys k) →
  status (after c l batch) ≡ ok → status (after d k batch) ≡ ok →
  ids c l batch ≡ ids d k batch × Twin (bits c) (bits d) (keys (after c l batch)) (keys (after d k batch))
layout-free c d (ledger ks ok) (ledger js ok) batch agree x y t p q
  with intern c (ledger ks ok) batch | outcome c ks batch | intern d (ledger js ok) batch | outcome d js batch
... | _ | refused _ r | _ | _           = absurd (r p)
... | _ | landed _ _  | _ | refused _ r = absurd (r q)
... | _ | landed r _  | _ | landed s _  = same-ids , whole
  where
  both : All (λ z → Both (bits c) (bits d) (normalise z)) batch
  both {z} m = packable-normal x z (r m) , packable-normal y z (s m)

  whole = ++-twin (bits c) (bits d) t (ordered-twin c d agree
    (filter-twin (bits c) (bits d) t (encode-twin (bits c) (bits d) batch both)))

  same-ids = map-cong _ _ batch (λ m → cong (fromMaybe 0) (find-twin (bits c) (bits d) (both m) whole))

-- So it is after any number of batches: in all layouts and under all capacities that accept them, each id is one node.
layout-free-run : ∀ c d l k batches → Agree c d → Valid c l → Valid d k → Twin (bits c) (bits d) (keys l) (keys k) →
  status (run c l batches) ≡ ok → status (run d k batches) ≡ ok →
  Twin (bits c) (bits d) (keys (run c l batches)) (keys (run d k batches))
layout-free-run c d l k []                agree x y t p q = t
layout-free-run c d l k (batch ∷ batches) agree x y t p q =
  layout-free-run c d (after c l batch) (after d k batch) batches agree
    (valid-after c l batch x) (valid-after d k batch y)
    (snd (layout-free c d l k batch agree x y t (was-ok c (after c l batch) p) (was-ok d (after d k batch) q))) p q
  where
  was-ok : ∀ c l → status (run c l batches) ≡ ok → status l ≡ ok
  was-ok c (ledger ks ok)      r = refl
  was-ok c (ledger ks oom)     r = trans (cong status (sym (sticky-run c (ledger ks oom) batches λ ()))) r
  was-ok c (ledger ks corrupt) r = trans (cong status (sym (sticky-run c (ledger ks corrupt) batches λ ()))) r

-- Two ledgers with room for NULL and the unit begin with the same nodes.
initial-twin : ∀ c d → Roomy c → Roomy d → Twin (bits c) (bits d) (keys (initial c)) (keys (initial d))
initial-twin c d p q =
  _∷_ {x = node null-code 0 0} (reserved-fits c p , reserved-fits d q)
    (_∷_ {x = node unit-code 0 0} (reserved-fits c p , reserved-fits d q) [])

-- So from the beginning on: whatever the two layouts and capacities, as long as both take every batch, the ledgers hold
-- the same nodes under the same ids, and the next batch that both take gets the same ids.
layouts-agree : ∀ c d batches batch → Agree c d → Roomy c → Roomy d →
  let l = run c (initial c) batches
      k = run d (initial d) batches in
  status (after c l batch) ≡ ok → status (after d k batch) ≡ ok →
  Twin (bits c) (bits d) (keys l) (keys k) × ids c l batch ≡ ids d k batch
layouts-agree c d batches batch agree p q e f = same , fst (layout-free c d l k batch agree
  (valid-run c (initial c) batches (valid-initial c p)) (valid-run d (initial d) batches (valid-initial d q)) same e f)
  where
  l = run c (initial c) batches
  k = run d (initial d) batches

  same : Twin (bits c) (bits d) (keys l) (keys k)
  same = layout-free-run c d (initial c) (initial d) batches agree (valid-initial c p) (valid-initial d q)
    (initial-twin c d p q) (ok-before c l batch e) (ok-before d k batch f)
