{-# OPTIONS --safe --without-K #-}

-- What a cycle adds lies in two strata, and every candidate has its image.

open import Prism.Signature.Base hiding (op)

module Prism.Cycle.Properties (ops : Signature) where

open import Prism.Cycle.Base ops
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
open import Prism.Strata.Base ops
open import Prism.Strata.Properties ops

open Config
open Ledger
open Slot

private
  -- The ids of an accepted batch, handed back to the slots, are their images.
  images-hold : ∀ c ks q ss → All (λ x → at ks (idOf ks (encode c x)) ≡ just (encode c x)) (nodes q ss) →
    Images c ks q ss (images ss (map (λ x → idOf ks (encode c x)) (nodes q ss)))
  images-hold c ks q []             p = []
  images-hold c ks q (nothing ∷ ss) p = refl ∷ images-hold c ks q ss p
  images-hold c ks q (just s ∷ ss)  p = p (here refl) ∷ images-hold c ks q ss (λ m → p (there m))

  -- The batch of the slots, once it is accepted.
  batch-holds : ∀ c l q ss → status (after c l (nodes q ss)) ≡ ok →
    Images c (keys (after c l (nodes q ss))) q ss (images ss (ids c l (nodes q ss)))
  batch-holds c l q ss e with intern-sound c l (nodes q ss) e
  ... | p , sound rewrite p = images-hold c (keys (after c l (nodes q ss))) q ss sound

  append-images : ∀ c ks js q {ss is} → (∀ i {k} → at ks i ≡ just k → at js i ≡ just k) →
    Images c ks q ss is → Images c js q ss is
  append-images c ks js q f []                     = []
  append-images c ks js q f (_∷_ {nothing} p rest) = p ∷ append-images c ks js q f rest
  append-images c ks js q f (_∷_ {just s} p rest)  = f _ p ∷ append-images c ks js q f rest

  landed-before : ∀ c l batch → status (after c l batch) ≡ ok → status l ≡ ok
  landed-before c (ledger ks ok)      batch e = refl
  landed-before c (ledger ks oom)     batch ()
  landed-before c (ledger ks corrupt) batch ()

  -- A node whose op takes NULL is refused, whatever the ledger.
  null-refused : ∀ n s → Reads-local s → wellFormed n (node-of [] s) ≡ false
  null-refused n (slot o (local i) y) (left p q refl) rewrite p | q = refl
  null-refused n (slot o x (local i)) (right {o′} p q refl) rewrite p | q with operandOk (0 <ᵇ Op.arity o′) n (row-of [] x)
  ... | true  = refl
  ... | false = refl

  one-refused : ∀ n ss {s} → just s ∈ ss → Reads-local s → all (wellFormed n) (nodes [] ss) ≡ false
  one-refused n (just s ∷ ss)  (here refl) r rewrite null-refused n s r = refl
  one-refused n (nothing ∷ ss) (there m)   r = one-refused n ss m r
  one-refused n (just s ∷ ss)  (there m)   r rewrite one-refused n ss m r with wellFormed n (node-of [] s)
  ... | true  = refl
  ... | false = refl

-- What a cycle adds are two strata: local rewrites refer to rows from before it, continuations to those and to local
-- rewrites, and none to its own stratum or to a later one.
cycle-stratified : ∀ c l sites → Valid c l → Stratified (bits c) (count l) (cycle-strata c l sites)
cycle-stratified c l sites v = run-stratified c l (batches-of c l sites) v

-- A cycle changes no row and adds its two strata, in order.
cycle-appends : ∀ c l sites → keys (cycle c l sites) ≡ keys l ++ concat (cycle-strata c l sites)
cycle-appends c l sites = run-is-strata c l (batches-of c l sites)

-- A local rewrite that reads its own stratum makes the cycle add nothing at all and leaves the ledger corrupt.
own-stratum⇒corrupt : ∀ c ks sites {s} → just s ∈ locals sites → Reads-local s →
  cycle c (ledger ks ok) sites ≡ ledger ks corrupt
own-stratum⇒corrupt c ks sites m r
  rewrite malformed⇒corrupt c ks (local-batch sites) (one-refused (length ks) (locals sites) m r) = refl

-- If the ledger takes a cycle, the image of each enabled slot is a node equal to what it holds, that of a disabled one NULL.
every-slot-has-its-image : ∀ c l sites → status (cycle c l sites) ≡ ok →
  let ks = keys (cycle c l sites) in
  Images c ks [] (locals sites) (q-local c l sites) ×
  Images c ks (q-local c l sites) (continuations sites) (q-continuation c l sites)
every-slot-has-its-image c l sites e =
  append-images c (keys m) (keys (after c m rest)) [] (append-only c m rest)
    (batch-holds c l [] (locals sites) (landed-before c m rest e)) ,
  batch-holds c m (q-local c l sites) (continuations sites) e
  where
  m    = after c l (local-batch sites)
  rest = continuation-batch c l sites
