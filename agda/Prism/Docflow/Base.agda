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

-- What a review saw of a section.
record Seen : Set where
  constructor seen
  field
    version print : Nat

-- How a section looks, under a way to take fingerprints.
look : {Section : Set} → (Nat → Nat) → Documents Section → Section → Seen
look print documents s = seen (version documents s) (print (content documents s))

-- A review of the edge from a section to one that it depends on.
record Review (Section : Set) : Set where
  constructor review
  field
    self dependency           : Section
    self-seen dependency-seen : Seen

open Review

-- The review that is written when `documents` is read.
reviewed : {Section : Set} → (Nat → Nat) → Documents Section → Section → Section → Review Section
reviewed print documents s d = review s d (look print documents s) (look print documents d)

same-version : Seen → Seen → Bool
same-version x y = Seen.version x == Seen.version y

-- Neither the version nor the fingerprint differs.
unchanged : Seen → Seen → Bool
unchanged x y = same-version x y ∧ (Seen.print x == Seen.print y)

-- The verdict on two sides of an edge: neither changed.
both-unchanged : Seen → Seen → Seen → Seen → Bool
both-unchanged self dependency self-now dependency-now = unchanged self self-now ∧ unchanged dependency dependency-now

-- The verdict on a review: both sections look as they did.
fresh? : {Section : Set} → (Nat → Nat) → Documents Section → Review Section → Bool
fresh? print documents r = both-unchanged (self-seen r) (dependency-seen r)
  (look print documents (self r)) (look print documents (dependency r))

-- The verdict over all edges.
all-fresh? : {Section : Set} → (Nat → Nat) → Documents Section → List (Review Section) → Bool
all-fresh? print documents = all (fresh? print documents)

-- The hypothesis of soundness, of two contents only: if they have one fingerprint, they are one content.
Apart : (Nat → Nat) → Nat → Nat → Set
Apart print x y = print x ≡ print y → x ≡ y

-- It, of what a section was and what it is.
Told : {Section : Set} → (Nat → Nat) → (then now : Documents Section) → Section → Set
Told print then now s = Apart print (content then s) (content now s)
