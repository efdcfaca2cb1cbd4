{-# OPTIONS --safe --without-K #-}

-- A cycle over a ledger: every site emits two slots, and what they hold lands in two batches, local rewrites first.

open import Prism.Signature.Base hiding (op)

module Prism.Cycle.Base (ops : Signature) where

open import Prism.Key.Base
open import Prism.Ledger.Base ops
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base
open import Prism.Strata.Base ops

open Ledger

-- What an operand of a candidate names: a row of the ledger, or the local rewrite of a site.
data Ref : Set where
  row local : Nat → Ref

record Slot : Set where
  constructor slot
  field
    op  : Nat
    a b : Ref

open Slot

-- The two slots of a site; one that is disabled holds nothing.
record Site : Set where
  constructor site
  field
    first second : Maybe Slot

-- The row that an operand stands for, given the images of the local rewrites; NULL where there is none.
row-of : List Nat → Ref → Nat
row-of q (row r)   = r
row-of q (local i) = fromMaybe 0 (at q i)

node-of : List Nat → Slot → Node
node-of q s = node (op s) (row-of q (a s)) (row-of q (b s))

-- The nodes that the enabled slots hold.
nodes : List Nat → List (Maybe Slot) → List Node
nodes q []             = []
nodes q (nothing ∷ ss) = nodes q ss
nodes q (just s ∷ ss)  = node-of q s ∷ nodes q ss

-- The image of every slot, from the ids of those that are enabled; NULL for the others.
images : List (Maybe Slot) → List Nat → List Nat
images []             is       = []
images (nothing ∷ ss) is       = 0 ∷ images ss is
images (just s ∷ ss)  []       = 0 ∷ images ss []
images (just s ∷ ss)  (i ∷ is) = i ∷ images ss is

locals continuations : List Site → List (Maybe Slot)
locals        = map Site.first
continuations = map Site.second

-- What is interned first: a local rewrite sees no image of another.
local-batch : List Site → List Node
local-batch sites = nodes [] (locals sites)

-- Where the local rewrites went.
q-local : Config → Ledger → List Site → List Nat
q-local c l sites = images (locals sites) (ids c l (local-batch sites))

continuation-batch : Config → Ledger → List Site → List Node
continuation-batch c l sites = nodes (q-local c l sites) (continuations sites)

batches-of : Config → Ledger → List Site → List (List Node)
batches-of c l sites = local-batch sites ∷ continuation-batch c l sites ∷ []

-- Where the continuations went.
q-continuation : Config → Ledger → List Site → List Nat
q-continuation c l sites =
  images (continuations sites) (ids c (after c l (local-batch sites)) (continuation-batch c l sites))

-- The ledger after a cycle.
cycle : Config → Ledger → List Site → Ledger
cycle c l sites = run c l (batches-of c l sites)

-- The nodes that a cycle adds, local rewrites and continuations.
cycle-strata : Config → Ledger → List Site → List (List Nat)
cycle-strata c l sites = strata c l (batches-of c l sites)

-- The op of a slot takes an operand that is the local rewrite of a site.
data Reads-local (s : Slot) : Set where
  left  : ∀ {o i} → lookupOp (op s) ops ≡ just o → (0 <ᵇ Op.arity o) ≡ true → a s ≡ local i →
          Reads-local s
  right : ∀ {o i} → lookupOp (op s) ops ≡ just o → (1 <ᵇ Op.arity o) ≡ true → b s ≡ local i →
          Reads-local s

-- The image of a slot holds the slot's node; a disabled slot has NULL.
Image : Config → List Nat → List Nat → Maybe Slot → Nat → Set
Image c ks q nothing  i = i ≡ 0
Image c ks q (just s) i = at ks i ≡ just (encode c (node-of q s))

-- Every slot has its image, one after the other.
data Images (c : Config) (ks q : List Nat) : List (Maybe Slot) → List Nat → Set where
  []  : Images c ks q [] []
  _∷_ : ∀ {s i ss is} → Image c ks q s i → Images c ks q ss is → Images c ks q (s ∷ ss) (i ∷ is)
