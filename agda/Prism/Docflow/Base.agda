{-# OPTIONS --safe --without-K #-}

-- Reviews of document sections: what a review records, and when it is fresh.

module Prism.Docflow.Base where

open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base

-- A document base: the content of every section, and the version its author gave it. Contents are texts, as numbers.
record Documents (Section : Set) : Set where
  field
    content : Section → Nat
    version : Section → Nat

open Documents

-- A review of the edge from a section to one that it depends on records the fingerprints of both.
record Review (Section : Set) : Set where
  constructor review
  field
    self dependency         : Section
    self-print dependency-print : Nat

open Review

-- The review that is written when `documents` is read.
reviewed : {Section : Set} → (Nat → Nat) → Documents Section → Section → Section → Review Section
reviewed print documents s d = review s d (print (content documents s)) (print (content documents d))

-- The verdict: both fingerprints are what they were.
fresh? : {Section : Set} → (Nat → Nat) → Documents Section → Review Section → Bool
fresh? print documents r =
  (self-print r == print (content documents (self r))) ∧
  (dependency-print r == print (content documents (dependency r)))

-- The verdict over all edges.
all-fresh? : {Section : Set} → (Nat → Nat) → Documents Section → List (Review Section) → Bool
all-fresh? print documents = all (fresh? print documents)

-- The hypothesis of soundness: no two contents have one fingerprint.
CollisionFree : (Nat → Nat) → Set
CollisionFree print = ∀ {x y} → print x ≡ print y → x ≡ y

-- A verdict that compares hand-written versions instead.
same-version? : {Section : Set} → Documents Section → Documents Section → Section → Bool
same-version? then now s = version then s == version now s
