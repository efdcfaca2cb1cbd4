{-# OPTIONS --safe --without-K #-}

-- Strata: what each batch of a sequence added to the ledger, and the ids below which its operands lie.

open import Prism.Signature.Base using (Signature)

module Prism.Strata.Base (ops : Signature) where

open import Prism.Key.Base
open import Prism.Ledger.Base ops
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base

open Config
open Ledger

drop : {A : Set} → Nat → List A → List A
drop zero    xs       = xs
drop (suc n) []       = []
drop (suc n) (x ∷ xs) = drop n xs

-- The keys that a batch added.
stratum : Config → Ledger → List Node → List Nat
stratum c l batch = drop (count l) (keys (after c l batch))

-- The keys that each batch of a sequence added.
strata : Config → Ledger → List (List Node) → List (List Nat)
strata c l []                = []
strata c l (batch ∷ batches) = stratum c l batch ∷ strata c (after c l batch) batches

concat : {A : Set} → List (List A) → List A
concat []         = []
concat (xs ∷ xss) = xs ++ concat xss

-- The key unpacks to a node both of whose operands are below n.
Below : Nat → Nat → Nat → Set
Below w n k = Node.a (unpack w k) < n × Node.b (unpack w k) < n

-- Every node of a stratum refers to the n nodes before it only, none to a node of its own or a later stratum.
data Stratified (w : Nat) : Nat → List (List Nat) → Set where
  []  : ∀ {n} → Stratified w n []
  _∷_ : ∀ {n s ss} → All (Below w n) s → Stratified w (n + length s) ss → Stratified w n (s ∷ ss)
