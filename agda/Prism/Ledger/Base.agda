{-# OPTIONS --safe --without-K #-}

-- The ledger over any signature: a list of packed keys in which the position of a key is its id, and what interning a
-- batch does to it.

open import Prism.Generated hiding (ops)
open import Prism.Key.Base
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Mixing.Base
open import Prism.Nat.Base
open import Prism.Signature.Base

module Prism.Ledger.Base (ops : Signature) where

-- What bounds a ledger, the bits of an id and the nodes that were allocated, and what orders the nodes of a batch.
record Config : Set where
  constructor config
  field
    bits     : Nat
    capacity : Nat
    ranking  : Mixing

record Ledger : Set where
  constructor ledger
  field
    keys   : List Nat
    status : Status

open Config
open Ledger
open Mixing

count : Ledger → Nat
count l = length (keys l)

-- The ids that a layout has.
idCount : Config → Nat
idCount c = 2 ^ bits c - 1

-- The most nodes: the tighter of the two bounds.
limit : Config → Nat
limit c = if capacity c <ᵇ idCount c then capacity c else idCount c

-- The status if one more node comes.
overflow : Config → Status
overflow c = if capacity c <ᵇ idCount c then oom else corrupt

-- NULL and the unit.
initial : Config → Ledger
initial c = ledger (pack (bits c) (node null-code 0 0) ∷ pack (bits c) (node unit-code 0 0) ∷ []) ok

-- Nodes ----------------------------------------------------------------------

lookupOp : Nat → List Op → Maybe Op
lookupOp code []       = nothing
lookupOp code (o ∷ os) = if code == Op.code o then just o else lookupOp code os

-- An operand that the op takes is an earlier node other than NULL; one that it does not take is NULL.
operandOk : Bool → Nat → Nat → Bool
operandOk taken n x = if taken then (0 <ᵇ x) ∧ (x <ᵇ n) else x == 0

nodeOk : Nat → Node → Maybe Op → Bool
nodeOk n x nothing  = false
nodeOk n x (just o) = operandOk (0 <ᵇ Op.arity o) n (Node.a x) ∧ operandOk (1 <ᵇ Op.arity o) n (Node.b x)

-- Whether a node may be added to a ledger of n nodes.
wellFormed : Nat → Node → Bool
wellFormed n x = nodeOk n x (lookupOp (Node.op x) ops)

swap : Node → Node
swap (node o a b) = node o b a

orderWhen : Maybe Op → Node → Node
orderWhen nothing  x = x
orderWhen (just o) x = if Op.commutes o ∧ (Node.b x <ᵇ Node.a x) then swap x else x

-- The node with the operands of a commuting op in ascending order.
normalise : Node → Node
normalise x = orderWhen (lookupOp (Node.op x) ops) x

encode : Config → Node → Nat
encode c x = pack (bits c) (normalise x)

-- Interning ------------------------------------------------------------------

-- The id of a key, NULL if it is unknown.
idOf : List Nat → Nat → Nat
idOf ks k = fromMaybe 0 (find k ks)

-- The id of a node in a ledger that takes no more nodes.
idOfNode : Config → List Nat → Node → Nat
idOfNode c ks x = if wellFormed (length ks) x then idOf ks (encode c x) else 0

unknown : List Nat → Nat → Bool
unknown ks k = not (member k ks)

-- The place of a key in the order of new ids, and the key that has it.
rank unrank : Config → Nat → Nat
rank c   = mix (ranking c)
unrank c = unmix (ranking c)

-- Two configurations rank every node that both can pack alike.
Agree : Config → Config → Set
Agree c d = ∀ x → Packable (bits c) x → Packable (bits d) x → rank c (pack (bits c) x) ≡ rank d (pack (bits d) x)

-- Keys in the order of new ids, each once.
inOrder : Config → List Nat → List Nat
inOrder c ks = map (unrank c) (canon (map (rank c) ks))

-- The keys that a batch adds, in the order of their ids.
fresh : Config → List Nat → List Nat → List Nat
fresh c ks new = inOrder c (filter (unknown ks) new)

accept : Config → List Nat → List Nat → Bool
accept c ks new = length (ks ++ new) <ᵇ suc (limit c)

zeros : List Node → List Nat
zeros = map (λ _ → 0)

-- Enter the keys of a well-formed batch, all or none of them.
land : Config → List Nat → List Node → List Nat → Ledger × List Nat
land c ks batch new =
  if accept c ks new
  then (ledger (ks ++ new) ok , map (λ x → idOf (ks ++ new) (encode c x)) batch)
  else (ledger ks (overflow c) , zeros batch)

-- Give every node of a batch its id; the operands refer to the ledger as it was before the batch.
intern : Config → Ledger → List Node → Ledger × List Nat
intern c (ledger ks ok) batch =
  if all (wellFormed (length ks)) batch
  then land c ks batch (fresh c ks (map (encode c) batch))
  else (ledger ks corrupt , zeros batch)
intern c (ledger ks oom)     batch = ledger ks oom , map (idOfNode c ks) batch
intern c (ledger ks corrupt) batch = ledger ks corrupt , map (idOfNode c ks) batch

-- The ledger after a batch.
after : Config → Ledger → List Node → Ledger
after c l batch = fst (intern c l batch)

-- The ids of a batch.
ids : Config → Ledger → List Node → List Nat
ids c l batch = snd (intern c l batch)

-- The ledger after a sequence of batches.
run : Config → Ledger → List (List Node) → Ledger
run c = foldl (after c)

-- Enter one key.
addKey : List Nat → Nat → List Nat
addKey ks k = if member k ks then ks else ks ++ (k ∷ [])

-- Reachable by interning.
Reachable : Config → Ledger → Set
Reachable c l = Σ (List (List Node)) (λ batches → l ≡ run c (initial c) batches)

-- The configuration has room for NULL and the unit.
Roomy : Config → Set
Roomy c = 2 ≤ limit c

-- What every reachable ledger satisfies.
record Valid (c : Config) (l : Ledger) : Set where
  constructor valid
  field
    noDup    : NoDup (keys l)
    reserved : 2 ≤ count l
    bounded  : count l ≤ limit c
