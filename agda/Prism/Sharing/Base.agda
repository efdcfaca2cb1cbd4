{-# OPTIONS --safe --without-K #-}

-- What the ids of a ledger stand for: trees over any signature, and when two trees are the same.

open import Prism.Signature.Base

module Prism.Sharing.Base (ops : Signature) where

open import Prism.Key.Base
open import Prism.Ledger.Base ops
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Nat.Base

open Config
open Ledger

infix 4 _≈_

-- An op over two operands; `null` where there is none.
data Tree : Set where
  null : Tree
  tree : Nat → Tree → Tree → Tree

-- The tree that an id stands for in a list of keys.
data Stands (c : Config) (ks : List Nat) : Nat → Tree → Set where
  null : Stands c ks 0 null
  node : ∀ {i o a b s t} → 0 < i → at ks i ≡ just (pack (bits c) (node o a b)) → Packable (bits c) (node o a b) →
         Stands c ks a s → Stands c ks b t → Stands c ks i (tree o s t)

-- The table says that the op of this code commutes.
Commuting : Nat → Set
Commuting code = Σ Op (λ o → lookupOp code ops ≡ just o × Op.commutes o ≡ true)

-- Equal but for the order of operands of commuting ops, at any depth.
data _≈_ : Tree → Tree → Set where
  null    : null ≈ null
  same    : ∀ {o s t s′ t′} → s ≈ s′ → t ≈ t′ → tree o s t ≈ tree o s′ t′
  swapped : ∀ {o s t s′ t′} → Commuting o → s ≈ t′ → t ≈ s′ → tree o s t ≈ tree o s′ t′

-- The key of the node in row i: it fits, its operands are in order, and all but row 0 refer to earlier rows.
record Built (c : Config) (i k : Nat) : Set where
  constructor built
  field
    {made}  : Node
    packs   : k ≡ pack (bits c) made
    fits    : Packable (bits c) made
    ordered : normalise made ≡ made
    earlier : 0 < i → Node.a made < i × Node.b made < i

-- Every row of a list of keys is so.
AllBuilt : Config → List Nat → Set
AllBuilt c ks = ∀ i {k} → at ks i ≡ just k → Built c i k
