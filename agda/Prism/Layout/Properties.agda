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
open import Prism.Nat.Base
open import Prism.Nat.Properties

open Config
open Ledger

private
  -- Packing compares nodes alike in both layouts.
  module _ (v w : Nat) where

    Both : Node → Set
    Both x = Packable v x × Packable w x

    data Order (x y : Node) : Set where
      below : x ≺ y → Order x y
      same  : x ≡ y → Order x y
      above : y ≺ x → Order x y

    order : ∀ x y → Order x y
    order (node o a b) (node p c d) with compare o p
    ... | less q    = below (by-op q)
    ... | greater q = above (by-op q)
    ... | equal refl with compare a c
    ...   | less q    = below (by-a q)
    ...   | greater q = above (by-a q)
    ...   | equal refl with compare b d
    ...     | less q     = below (by-b q)
    ...     | greater q  = above (by-b q)
    ...     | equal refl = same refl

    reflect-< : ∀ u {x y} → Packable u x → Packable u y → pack u x < pack u y → x ≺ y
    reflect-< u {x} {y} p q r with order x y
    ... | below s   = s
    ... | same refl = absurd (<-irrefl r)
    ... | above s   = absurd (<-asym r (pack-mono u q p s))

    <ᵇ-agrees : ∀ {x y} → Both x → Both y → (pack v x <ᵇ pack v y) ≡ (pack w x <ᵇ pack w y)
    <ᵇ-agrees {x} {y} (p , p′) (q , q′) = bool-ext
      (λ r → <⇒<ᵇ (pack-mono w p′ q′ (reflect-< v p q (<ᵇ⇒< (pack v x) (pack v y) r))))
      (λ r → <⇒<ᵇ (pack-mono v p q (reflect-< w p′ q′ (<ᵇ⇒< (pack w x) (pack w y) r))))

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

    insert-twin : ∀ {x ks js} → Both x → Twin v w ks js → Twin v w (insert (pack v x) ks) (insert (pack w x) js)
    insert-twin b [] = b ∷ []
    insert-twin {x} b (_∷_ {y} c t) rewrite <ᵇ-agrees {x} {y} b c | ==-agrees {x} {y} b c
      with pack w x <ᵇ pack w y | pack w x == pack w y
    ... | true  | _     = b ∷ c ∷ t
    ... | false | true  = c ∷ t
    ... | false | false = c ∷ insert-twin b t

    canon-twin : ∀ {ks js} → Twin v w ks js → Twin v w (canon ks) (canon js)
    canon-twin []      = []
    canon-twin (b ∷ t) = insert-twin b (canon-twin t)

    encode-twin : (batch : List Node) → All (λ x → Both (normalise x)) batch →
      Twin v w (map (λ x → pack v (normalise x)) batch) (map (λ x → pack w (normalise x)) batch)
    encode-twin []          p = []
    encode-twin (x ∷ batch) p = p (here refl) ∷ encode-twin batch (λ m → p (there m))

-- If two ledgers hold the same nodes under two layouts and both accept a batch, they give the same ids and hold the
-- same nodes again.
layout-free : ∀ c d l k batch → Valid c l → Valid d k → Twin (bits c) (bits d) (keys l) (keys k) →
  status (after c l batch) ≡ ok → status (after d k batch) ≡ ok →
  ids c l batch ≡ ids d k batch × Twin (bits c) (bits d) (keys (after c l batch)) (keys (after d k batch))
layout-free c d (ledger ks ok) (ledger js ok) batch x y t p q
  with intern c (ledger ks ok) batch | outcome c ks batch | intern d (ledger js ok) batch | outcome d js batch
... | _ | refused _ r | _ | _           = absurd (r p)
... | _ | landed _ _  | _ | refused _ r = absurd (r q)
... | _ | landed r _  | _ | landed s _  = same-ids , whole
  where
  both : All (λ z → Both (bits c) (bits d) (normalise z)) batch
  both {z} m = packable-normal x z (r m) , packable-normal y z (s m)

  whole = ++-twin (bits c) (bits d) t (canon-twin (bits c) (bits d)
    (filter-twin (bits c) (bits d) t (encode-twin (bits c) (bits d) batch both)))

  same-ids = map-cong _ _ batch (λ m → cong (fromMaybe 0) (find-twin (bits c) (bits d) (both m) whole))

-- So it is after any number of batches: in all layouts and under all capacities that accept them, each id is one node.
layout-free-run : ∀ c d l k batches → Valid c l → Valid d k → Twin (bits c) (bits d) (keys l) (keys k) →
  status (run c l batches) ≡ ok → status (run d k batches) ≡ ok →
  Twin (bits c) (bits d) (keys (run c l batches)) (keys (run d k batches))
layout-free-run c d l k []                x y t p q = t
layout-free-run c d l k (batch ∷ batches) x y t p q =
  layout-free-run c d (after c l batch) (after d k batch) batches
    (valid-after c l batch x) (valid-after d k batch y)
    (snd (layout-free c d l k batch x y t (was-ok c (after c l batch) p) (was-ok d (after d k batch) q))) p q
  where
  was-ok : ∀ c l → status (run c l batches) ≡ ok → status l ≡ ok
  was-ok c (ledger ks ok)      r = refl
  was-ok c (ledger ks oom)     r = trans (cong status (sym (sticky-run c (ledger ks oom) batches λ ()))) r
  was-ok c (ledger ks corrupt) r = trans (cong status (sym (sticky-run c (ledger ks corrupt) batches λ ()))) r
