{-# OPTIONS --safe --without-K #-}

-- Generated from the tables of prism/vm and prism/status.py by `python -m agda.tools.generate`; do not edit.

module Prism.Generated where

open import Prism.List.Base using (List; []; _∷_)
open import Prism.Logic.Base using (true; false)
open import Prism.Nat.Base using (Nat)
open import Prism.Signature.Base

-- The nodes of every ledger.
null-code : Nat
null-code = 0

unit-code : Nat
unit-code = 1

-- The built-in signature.
suc-code : Nat
suc-code = 2

add-code : Nat
add-code = 10

mul-code : Nat
mul-code = 11

-- Code, arity, whether the operands commute.
ops : Signature
ops =
  op 0 0 false ∷
  op 1 0 false ∷
  op 2 1 false ∷
  op 10 2 true ∷
  op 11 2 true ∷
  []

-- Bits of an id, largest id.
compact : Layout
compact = layout 16 65534

wide : Layout
wide = layout 28 268435454

large : Layout
large = layout 30 1073741822

largest : Layout
largest = layout 31 2147483646

layouts : List Layout
layouts =
  compact ∷
  wide ∷
  large ∷
  largest ∷
  []

-- The numbers of the mixing of keys.
mix-shift mix-first mix-second mix-first-undone mix-second-undone : Nat
mix-shift = 33
mix-first = 18397679294719823053
mix-second = 14181476777654086739
mix-first-undone = 5725274745694666757
mix-second-undone = 11291846944257947611

data Status : Set where
  ok oom corrupt : Status

statusCode : Status → Nat
statusCode ok = 0
statusCode oom = 1
statusCode corrupt = 2

infixl 6 _⊔_

-- The status of a union.
_⊔_ : Status → Status → Status
ok ⊔ ok = ok
ok ⊔ oom = oom
ok ⊔ corrupt = corrupt
oom ⊔ ok = oom
oom ⊔ oom = oom
oom ⊔ corrupt = corrupt
corrupt ⊔ ok = corrupt
corrupt ⊔ oom = corrupt
corrupt ⊔ corrupt = corrupt

rules : List Rule
rules =
  rule (add zero (var 0)) (var 0) ∷
  rule (add (suc (var 0)) (var 1)) (suc (add (var 0) (var 1))) ∷
  rule (mul zero (var 0)) zero ∷
  rule (mul (suc (var 0)) (var 1)) (add (var 1) (mul (var 0) (var 1))) ∷
  []
