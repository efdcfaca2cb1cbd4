{-# OPTIONS --safe --without-K #-}

-- Generated from the tables of prism/ring/layout.py by `python -m agda.tools.generate`; do not edit.

module Prism.Ring.Generated where

open import Prism.List.Base using (List; []; _∷_)
open import Prism.Logic.Base using (Bool; true; false)

data SlotStatus : Set where
  empty published claimed done wait-io yield requeue fault : SlotStatus

slotStatuses : List SlotStatus
slotStatuses = empty ∷ published ∷ claimed ∷ done ∷ wait-io ∷ yield ∷ requeue ∷ fault ∷ []

-- The statuses that may follow.
successors : SlotStatus → List SlotStatus
successors empty = published ∷ []
successors published = claimed ∷ fault ∷ []
successors claimed = done ∷ wait-io ∷ yield ∷ requeue ∷ fault ∷ []
successors done = empty ∷ published ∷ []
successors wait-io = done ∷ fault ∷ []
successors yield = claimed ∷ fault ∷ []
successors requeue = claimed ∷ fault ∷ []
successors fault = empty ∷ []

-- Submitted, and not ended.
active : SlotStatus → Bool
active empty = false
active published = true
active claimed = true
active done = false
active wait-io = true
active yield = true
active requeue = true
active fault = false

-- Ended.
terminal : SlotStatus → Bool
terminal empty = false
terminal published = false
terminal claimed = false
terminal done = true
terminal wait-io = false
terminal yield = false
terminal requeue = false
terminal fault = true

-- A worker may claim it.
runnable : SlotStatus → Bool
runnable empty = false
runnable published = true
runnable claimed = false
runnable done = false
runnable wait-io = false
runnable yield = true
runnable requeue = true
runnable fault = false
