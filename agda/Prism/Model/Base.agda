{-# OPTIONS --safe --without-K #-}

-- The definitions that the theorems are about, run on plain lists of numbers: what Python is compared with.

module Prism.Model.Base where

open import Prism.Arena.Base using (Arena; Cell; cell; rearrange)
import Prism.Cycle.Base as Cycling
open import Prism.Docflow.Base using (both-unchanged; seen)
open import Prism.Generated
open import Prism.Key.Base
import Prism.Ledger.Base as Interning
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Mixing.Base
open import Prism.Mixing.Properties
open import Prism.Nat.Base
open import Prism.Rewrite.Base using (apply)
open import Prism.Signature.Base

-- Op, left operand, right operand; anything else is a node of no op.
readNode : List Nat → Node
readNode (o ∷ a ∷ b ∷ []) = node o a b
readNode _                = node 256 0 0

-- Code, arity, 1 if the operands commute; anything else is an op of which no node is.
readOp : List Nat → Op
readOp (code ∷ arity ∷ commutes ∷ []) = op code arity (0 <ᵇ commutes)
readOp _                              = op 257 0 false

-- Over a signature, for each batch: status, count, then the id of every node; last of all the keys.
interns : List (List Nat) → Nat → Nat → List (List (List Nat)) → List (List Nat)
interns signature bits capacity batches = go (initial c) batches
  where
  open Interning (map readOp signature)
  open Ledger

  f = mixKey bits
  g = unmixKey bits
  c = config bits capacity (mixing (patch f g) (unpatch f g) (unpatch-patch f g))

  go : Ledger → List (List (List Nat)) → List (List Nat)
  row : Ledger × List Nat → List (List (List Nat)) → List (List Nat)
  go l []                = keys l ∷ []
  go l (batch ∷ batches) = row (intern c l (map readNode batch)) batches
  row (l , found) batches = (statusCode (status l) ∷ count l ∷ found) ∷ go l batches

-- Over a signature, one cycle from a ledger of these keys, each site as its two slots: the status, where local rewrites
-- and continuations went, and the keys. A slot is its op, then for each operand 0 and a row or 1 and the site of a local
-- rewrite; anything else is disabled.
cycled : List (List Nat) → Nat → Nat → List Nat → List (List (List Nat)) → List (List Nat)
cycled signature bits capacity before sites =
  (statusCode (status l) ∷ []) ∷ q-local c start found ∷ q-continuation c start found ∷ keys l ∷ []
  where
  open Interning (map readOp signature)
  open Cycling (map readOp signature)
  open Ledger

  readRef : Nat → Nat → Ref
  readRef kind n = if kind == 0 then row n else local n

  readSlot : List Nat → Maybe Slot
  readSlot (o ∷ s ∷ a ∷ t ∷ b ∷ []) = just (slot o (readRef s a) (readRef t b))
  readSlot _                        = nothing

  readSite : List (List Nat) → Site
  readSite (first ∷ second ∷ []) = site (readSlot first) (readSlot second)
  readSite _                     = site nothing nothing

  f = mixKey bits
  g = unmixKey bits
  c = config bits capacity (mixing (patch f g) (unpatch f g) (unpatch-patch f g))

  start = ledger before ok
  found = map readSite sites
  l     = cycle c start found

-- The signature that is built in, as `interns` takes it.
built-in : List (List Nat)
built-in = map (λ o → Op.code o ∷ Op.arity o ∷ (if Op.commutes o then 1 else 0) ∷ []) ops

-- The number that every node of a list of keys denotes, in the order of their ids.
values : Nat → List Nat → List Nat
values bits = go []
  where
  valueAt : List Nat → Nat → Nat
  valueAt known i = fromMaybe 0 (at known i)

  valueOf : List Nat → Node → Nat
  valueOf known (node o a b) = apply o (valueAt known a) (valueAt known b)

  go : List Nat → List Nat → List Nat
  go known []       = known
  go known (k ∷ ks) = go (known ++ (valueOf known (unpack bits k) ∷ [])) ks

-- The cells of an arena after an order: slot i takes the cell of the slot that stands at position i of the order.
rearranged : List Nat → List (List Nat) → List (List Nat)
rearranged order cells = map (λ i → writeCell (rearrange to from old i)) (upTo (length cells))
  where
  to : Nat → Nat
  to s = fromMaybe 0 (find s order)

  from : Nat → Nat
  from t = fromMaybe 0 (at order t)

  readCell : List Nat → Cell Nat
  readCell (o ∷ a ∷ b ∷ []) = cell o a b
  readCell _                = cell 0 0 0

  writeCell : Cell Nat → List Nat
  writeCell (cell o a b) = o ∷ a ∷ b ∷ []

  old : Arena Nat
  old s = readCell (fromMaybe [] (at cells s))

  upTo : Nat → List Nat
  upTo zero    = []
  upTo (suc n) = upTo n ++ (n ∷ [])

-- Version and fingerprint of a section and of its dependency, first as a review saw them, then as they are: 1 if fresh.
verdict : List Nat → Nat
verdict (v ∷ p ∷ w ∷ q ∷ v′ ∷ p′ ∷ w′ ∷ q′ ∷ []) =
  if both-unchanged (seen v p) (seen w q) (seen v′ p′) (seen w′ q′) then 1 else 0
verdict _ = 0
