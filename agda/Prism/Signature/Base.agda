{-# OPTIONS --safe --without-K #-}

-- The shapes of the tables that are generated from Python: ops, layouts, terms and rules.

module Prism.Signature.Base where

open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base

record Op : Set where
  constructor op
  field
    code     : Nat
    arity    : Nat
    commutes : Bool

-- The ops that a ledger knows, any at all; of two rows with one code the first counts.
Signature : Set
Signature = List Op

record Layout : Set where
  constructor layout
  field
    idBits : Nat
    maxId  : Nat

-- Terms with variables from V; a program is a `Term ⊥`, a pattern a `Term Nat`.
data Term (V : Set) : Set where
  var     : V → Term V
  zero    : Term V
  suc     : Term V → Term V
  add mul : Term V → Term V → Term V

record Rule : Set where
  constructor rule
  field
    lhs rhs : Term Nat
