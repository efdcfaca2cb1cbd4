{-# OPTIONS --safe --without-K #-}

-- The ring: how a slot's status moves, and what one look of a worker at a slot does to slots, words and epoch.

module Prism.Ring.Base where

open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base
open import Prism.Ring.Generated

infix 4 _⟶_

-- A status may follow another.
_⟶_ : SlotStatus → SlotStatus → Set
s ⟶ t = t ∈ successors s

-- The statuses that a slot takes one after another, each of which may follow the one before.
data Life : SlotStatus → List SlotStatus → Set where
  []  : ∀ {s} → Life s []
  _∷_ : ∀ {s t ts} → s ⟶ t → Life t ts → Life s (t ∷ ts)

final : SlotStatus → List SlotStatus → SlotStatus
final s []       = s
final s (t ∷ ts) = final t ts

one : Bool → Nat
one true  = 1
one false = 0

-- How often the slot ends: it is active, and then it is terminal.
ends : SlotStatus → List SlotStatus → Nat
ends s []       = 0
ends s (t ∷ ts) = one (active s ∧ terminal t) + ends t ts

-- How often it is published: it is not active, and then it is.
publications : SlotStatus → List SlotStatus → Nat
publications s []       = 0
publications s (t ∷ ts) = one (not (active s) ∧ active t) + publications t ts

-- Rings ----------------------------------------------------------------------

record Window : Set where
  constructor window
  field
    start : Nat
    words : Nat

-- What a slot asks for: words to write, each with its value, or to end the batch of so many slots before it.
data Job : Set where
  writes : List (Nat × Nat) → Job
  fence  : Nat → Job

record Slot : Set where
  constructor slot
  field
    status : SlotStatus
    ticket : Nat
    tenant : Nat
    job    : Job

record Ring : Set where
  constructor ring
  field
    slots  : List Slot
    memory : List Nat
    epoch  : Nat

open Slot
open Ring

-- Whether a word lies in a window.
inside : Window → Nat → Bool
inside w a = (Window.start w <ᵇ suc a) ∧ (a <ᵇ Window.start w + Window.words w)

-- Put a value into a word; a word that is not there stays away.
put : Nat → Nat → List Nat → List Nat
put a v []             = []
put zero    v (x ∷ xs) = v ∷ xs
put (suc a) v (x ∷ xs) = x ∷ put a v xs

putAll : List (Nat × Nat) → List Nat → List Nat
putAll []             m = m
putAll ((a , v) ∷ ws) m = putAll ws (put a v m)

allInside : Window → List (Nat × Nat) → Bool
allInside w = all (λ write → inside w (fst write))

-- Whether the slot at j is of the batch of the fence at i with count n and ticket k: one of the n directly before it,
-- with the ticket as far before its own.
ofBatch : Nat → Nat → Nat → Nat → Slot → Bool
ofBatch i n k j s = (j <ᵇ i) ∧ ((i <ᵇ suc (j + n)) ∧ (ticket s + i == k + j))

-- Whether every slot of the batch has ended; j is the place of the first slot listed.
due : Nat → Nat → Nat → Nat → List Slot → Bool
due i n k j []       = true
due i n k j (s ∷ ss) = (if ofBatch i n k j s then terminal (status s) else true) ∧ due i n k (suc j) ss

leave : SlotStatus → Slot → Slot
leave t s = record s { status = t }

leaveAt : Nat → SlotStatus → List Slot → List Slot
leaveAt i       t []       = []
leaveAt zero    t (s ∷ ss) = leave t s ∷ ss
leaveAt (suc i) t (s ∷ ss) = s ∷ leaveAt i t ss

-- Do what a claimed slot asks for: everything, or nothing and a fault.
execute : (Nat → Window) → Ring → Nat → Slot → Ring
execute windows r i s with job s
... | fence n = ring (leaveAt i done (slots r)) (memory r) (suc (epoch r))
... | writes ws =
  if allInside (windows (tenant s)) ws
  then ring (leaveAt i done (slots r)) (putAll ws (memory r)) (epoch r)
  else ring (leaveAt i fault (slots r)) (memory r) (epoch r)

-- Whether a worker may claim a slot: its status says so, and a fence is due.
claimable : Ring → Nat → Slot → Bool
claimable r i s with job s
... | fence n   = runnable (status s) ∧ due i n (ticket s) 0 (slots r)
... | writes ws = runnable (status s)

-- A worker looks at the slot at i: claims it and does what it asks for, if it may.
look : (Nat → Window) → Ring → Nat → Ring
look windows r i with at (slots r) i
... | nothing = r
... | just s  = if claimable r i s then execute windows r i s else r
