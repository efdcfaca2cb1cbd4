{-# OPTIONS --safe --without-K #-}

-- Committed nodes refer to earlier strata only.

open import Prism.Signature.Base using (Signature)

module Prism.Strata.Properties (ops : Signature) where

open import Prism.Key.Base
open import Prism.Key.Properties
open import Prism.Ledger.Base ops
open import Prism.Ledger.Lemmas ops
open import Prism.Ledger.Properties ops
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Strata.Base ops
open import Prism.Generated hiding (ops)

open Config
open Ledger
open _⇔_

private
  drop-++ : {A : Set} (xs ys : List A) → drop (length xs) (xs ++ ys) ≡ ys
  drop-++ []       ys = refl
  drop-++ (x ∷ xs) ys = drop-++ xs ys

  drop-all : {A : Set} (xs : List A) → drop (length xs) xs ≡ []
  drop-all []       = refl
  drop-all (x ∷ xs) = drop-all xs

  below-pack : ∀ w n x → Packable w x → Node.a x < n × Node.b x < n → Below w n (pack w x)
  below-pack w n x p = subst (λ y → Node.a y < n × Node.b y < n) (sym (unpack-pack w x p))

-- A batch appends its stratum.
after-is-stratum : ∀ c l batch → keys (after c l batch) ≡ keys l ++ stratum c l batch
after-is-stratum c l batch with new-in-order c l batch
... | new , p , _ rewrite p = cong (keys l ++_) (sym (drop-++ (keys l) new))

-- The nodes that a batch commits refer to nodes that were there before it.
earlier-only : ∀ c l batch → Valid c l → All (Below (bits c) (count l)) (stratum c l batch)
earlier-only c (ledger ks ok) batch v m with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p rewrite drop-all ks with m
...   | ()
earlier-only c (ledger ks ok) batch v {k} m | _ | landed p q rewrite drop-++ ks (fresh c ks (map (encode c) batch))
  with ∈-map⁻ (encode c) batch (fst (to (∈-fresh c ks (map (encode c) batch)) m))
... | x , n , refl = below-pack (bits c) (length ks) (normalise x) (packable-normal v x (p n))
  (normalise-< (length ks) x (wellFormed-< (length ks) x (occupied v) (p n)))
earlier-only c (ledger ks oom)     batch v m rewrite drop-all ks with m
... | ()
earlier-only c (ledger ks corrupt) batch v m rewrite drop-all ks with m
... | ()

-- So it is for every sequence of batches, from any valid ledger on.
run-stratified : ∀ c l batches → Valid c l → Stratified (bits c) (count l) (strata c l batches)
run-stratified c l []                v = []
run-stratified c l (batch ∷ batches) v = earlier-only c l batch v ∷
  subst (λ n → Stratified (bits c) n (strata c (after c l batch) batches))
    (trans (cong length (after-is-stratum c l batch)) (length-++ (keys l) (stratum c l batch)))
    (run-stratified c (after c l batch) batches (valid-after c l batch v))

-- The strata are the whole of what was added, in order.
run-is-strata : ∀ c l batches → keys (run c l batches) ≡ keys l ++ concat (strata c l batches)
run-is-strata c l []                = sym (++-[] (keys l))
run-is-strata c l (batch ∷ batches) = trans (run-is-strata c (after c l batch) batches)
  (trans (cong (_++ later) (after-is-stratum c l batch)) (++-assoc (keys l) (stratum c l batch) later))
  where later = concat (strata c (after c l batch) batches)
