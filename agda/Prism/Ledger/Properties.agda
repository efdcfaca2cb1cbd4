{-# OPTIONS --safe --without-K #-}

-- What interning keeps, for every signature, configuration, ledger and batch.

open import Prism.Signature.Base using (Signature)

module Prism.Ledger.Properties (ops : Signature) where

open import Prism.Generated hiding (ops)
open import Prism.Key.Base
open import Prism.Key.Properties
open import Prism.Ledger.Base ops
open import Prism.Ledger.Lemmas ops
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Mixing.Base
open import Prism.Nat.Base
open import Prism.Nat.Properties

open Config
open Ledger
open Mixing
open Valid
open _⇔_

-- Once a ledger has failed, no batch changes it.
sticky : ∀ c l batch → status l ≢ ok → after c l batch ≡ l
sticky c (ledger ks ok)      batch p = absurd (p refl)
sticky c (ledger ks oom)     batch p = refl
sticky c (ledger ks corrupt) batch p = refl

-- Nor does any sequence of batches.
sticky-run : ∀ c l batches → status l ≢ ok → run c l batches ≡ l
sticky-run c l []                p = refl
sticky-run c l (batch ∷ batches) p rewrite sticky c l batch p = sticky-run c l batches p

-- A failed ledger still answers: a known node has its id, any other has none.
still-found : ∀ c l batch → status l ≢ ok → ids c l batch ≡ map (idOfNode c (keys l)) batch
still-found c (ledger ks ok)      batch p = absurd (p refl)
still-found c (ledger ks oom)     batch p = refl
still-found c (ledger ks corrupt) batch p = refl

-- A batch adds keys at the end, in the order of their ranks, whatever injection ranks them, and changes nothing else.
new-in-order : ∀ c l batch →
  Σ (List Nat) (λ new → keys (after c l batch) ≡ keys l ++ new × Ascending (map (rank c) new))
new-in-order c (ledger ks ok) batch with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = [] , sym (++-[] ks) , []
... | _ | landed p q  = fresh c ks (map (encode c) batch) , refl , fresh-ascending c ks (map (encode c) batch)
new-in-order c (ledger ks oom)     batch = [] , sym (++-[] ks) , []
new-in-order c (ledger ks corrupt) batch = [] , sym (++-[] ks) , []

-- An id denotes the same key for ever.
append-only : ∀ c l batch i {k} → at (keys l) i ≡ just k → at (keys (after c l batch)) i ≡ just k
append-only c l batch i p with new-in-order c l batch
... | new , q , _ rewrite q = at-++ˡ (keys l) new i p

-- For ever: over any number of batches.
append-only-run : ∀ c l batches i {k} → at (keys l) i ≡ just k → at (keys (run c l batches)) i ≡ just k
append-only-run c l []                i p = p
append-only-run c l (batch ∷ batches) i p = append-only-run c (after c l batch) batches i (append-only c l batch i p)

-- A batch that is refused adds nothing, and one that is accepted adds all of its nodes.
whole-or-nothing : ∀ c l batch →
  (status (after c l batch) ≢ ok × keys (after c l batch) ≡ keys l) ⊎
  (status (after c l batch) ≡ ok × All (λ x → encode c x ∈ keys (after c l batch)) batch)
whole-or-nothing c (ledger ks ok) batch with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = inj₁ (p , refl)
... | _ | landed p q  = inj₂ (refl , λ m → ∈-landed c ks (map (encode c) batch) (∈-map (encode c) m))
whole-or-nothing c (ledger ks oom)     batch = inj₁ ((λ ()) , refl)
whole-or-nothing c (ledger ks corrupt) batch = inj₁ ((λ ()) , refl)

-- Every node of a batch that is refused has NULL for its id.
refused⇒null : ∀ c ks batch → status (after c (ledger ks ok) batch) ≢ ok →
  length (ids c (ledger ks ok) batch) ≡ length batch × All (_≡ 0) (ids c (ledger ks ok) batch)
refused⇒null c ks batch e with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | landed p q  = absurd (e refl)
... | _ | refused s p = as-many batch , nulls batch
  where
  as-many : ∀ xs → length (zeros xs) ≡ length xs
  as-many []       = refl
  as-many (x ∷ xs) = cong suc (as-many xs)

  nulls : ∀ xs → All (_≡ 0) (zeros xs)
  nulls (x ∷ xs) (here p)  = p
  nulls (x ∷ xs) (there m) = nulls xs m

-- A batch that refers to a node the ledger lacks, or names no op, makes it corrupt.
malformed⇒corrupt : ∀ c ks batch → all (wellFormed (length ks)) batch ≡ false →
  after c (ledger ks ok) batch ≡ ledger ks corrupt
malformed⇒corrupt c ks batch p rewrite p = refl

-- A well-formed batch that does not fit changes nothing but the status.
full⇒overflow : ∀ c ks batch → all (wellFormed (length ks)) batch ≡ true →
  accept c ks (fresh c ks (map (encode c) batch)) ≡ false →
  after c (ledger ks ok) batch ≡ ledger ks (overflow c)
full⇒overflow c ks batch p q rewrite p | q = refl

-- That status is oom if the capacity is the tighter bound,
tight-capacity⇒oom : ∀ c → capacity c < idCount c → overflow c ≡ oom
tight-capacity⇒oom c p rewrite <⇒<ᵇ p = refl

-- and corrupt if the layout is, or if both are reached at once.
tight-layout⇒corrupt : ∀ c → idCount c ≤ capacity c → overflow c ≡ corrupt
tight-layout⇒corrupt c p with capacity c <ᵇ idCount c in q
... | true  = absurd (≤⇒≯ p (<ᵇ⇒< (capacity c) (idCount c) q))
... | false = refl

-- The ledger that holds NULL and the unit is valid.
valid-initial : ∀ c → Roomy c → Valid c (initial c)
valid-initial c p = valid (apart ∷ ((λ ()) ∷ [])) ≤-refl p
  where
  zero-fits : Fits (bits c) 0
  zero-fits = below-cap (2 ^ bits c) (≤-trans (s≤s z≤n) (≤-trans p (limit-≤-idCount c)))

  fits : ∀ {o} → Packable (bits c) (node o 0 0)
  fits = packable zero-fits zero-fits

  apart : pack (bits c) (node null-code 0 0) ∉ (pack (bits c) (node unit-code 0 0) ∷ [])
  apart (here e) with pack-injective (bits c) {node null-code 0 0} {node unit-code 0 0} fits fits e
  ... | ()

-- Interning keeps a ledger valid: no key twice, and never more nodes than the limit.
valid-after : ∀ c l batch → Valid c l → Valid c (after c l batch)
valid-after c (ledger ks ok) batch v with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = valid (noDup v) (reserved v) (bounded v)
... | _ | landed p q  = valid
  (++-noDup (noDup v) (ordered-noDup c (filter (unknown ks) (map (encode c) batch)))
    (λ m → snd (to (∈-fresh c ks (map (encode c) batch)) m)))
  (≤-trans (reserved v) (subst (length ks ≤_) (sym (length-++ ks _)) (m≤m+n (length ks) _)))
  q
valid-after c (ledger ks oom)     batch v = v
valid-after c (ledger ks corrupt) batch v = v

-- Over any number of batches.
valid-run : ∀ c l batches → Valid c l → Valid c (run c l batches)
valid-run c l []                v = v
valid-run c l (batch ∷ batches) v = valid-run c (after c l batch) batches (valid-after c l batch v)

-- Every reachable ledger is valid.
reachable⇒valid : ∀ c l → Roomy c → Reachable c l → Valid c l
reachable⇒valid c _ p (batches , refl) = valid-run c (initial c) batches (valid-initial c p)

-- No ledger ever holds more nodes than its capacity.
capacity-kept : ∀ c l → Roomy c → Reachable c l → count l ≤ capacity c
capacity-kept c l p r = ≤-trans (bounded (reachable⇒valid c l p r)) (limit-≤-capacity c)

-- Nor an id that does not fit its layout.
ids-fit : ∀ c l → Roomy c → Reachable c l → ∀ i {k} → at (keys l) i ≡ just k → Fits (bits c) i
ids-fit c l p r i q = id-fits (reachable⇒valid c l p r) (at-< (keys l) i q)

-- One key has one id.
one-id : ∀ c l → Valid c l → ∀ i j {k} → at (keys l) i ≡ just k → at (keys l) j ≡ just k → i ≡ j
one-id c l v = at-injective (noDup v)

-- The ids of an accepted batch are the positions of its keys.
intern-sound : ∀ c l batch → status (after c l batch) ≡ ok →
  let ks = keys (after c l batch) in
  ids c l batch ≡ map (λ x → idOf ks (encode c x)) batch ×
  All (λ x → at ks (idOf ks (encode c x)) ≡ just (encode c x)) batch
intern-sound c (ledger ks ok) batch e with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = absurd (p e)
... | _ | landed p q  =
  refl , λ m → known⇒at _ _ (∈-landed c ks (map (encode c) batch) (∈-map (encode c) m))

-- Two nodes of an accepted batch have one id if and only if they are the same node, operands of commuting ops ordered.
same-id⇔same-node : ∀ c l batch → Valid c l → status (after c l batch) ≡ ok → ∀ {x y} → x ∈ batch → y ∈ batch →
  let ks = keys (after c l batch) in
  idOf ks (encode c x) ≡ idOf ks (encode c y) ⇔ normalise x ≡ normalise y
same-id⇔same-node c l batch v e {x} {y} m n = equivalence forth (cong (λ z → idOf ks (pack (bits c) z)))
  where
  ks = keys (after c l batch)

  sound = snd (intern-sound c l batch e)

  fits : ∀ {z} → z ∈ batch → Packable (bits c) (normalise z)
  fits {z} o = packable-normal v z (accepted⇒wellFormed c l batch e o)

  forth : idOf ks (encode c x) ≡ idOf ks (encode c y) → normalise x ≡ normalise y
  forth p = pack-injective (bits c) (fits m) (fits n)
    (just-injective (trans (sym (sound m)) (trans (cong (at ks) p) (sound n))))

-- The ledger after a batch, statuses and ids included, depends on the batch as a set: not on order or repetition.
order-free : ∀ c l batch batch′ → SameSet batch batch′ → after c l batch ≡ after c l batch′
order-free c (ledger ks ok) batch batch′ same
  rewrite all-sameSet (wellFormed (length ks)) batch batch′ same
        | fresh-set c ks (map (encode c) batch) (map (encode c) batch′) (map-sameSet (encode c) same)
  with all (wellFormed (length ks)) batch′
... | false = refl
... | true with accept c ks (fresh c ks (map (encode c) batch′))
...   | true  = refl
...   | false = refl
order-free c (ledger ks oom)     batch batch′ same = refl
order-free c (ledger ks corrupt) batch batch′ same = refl

-- Interning an accepted batch again gives the same ids and changes nothing.
idempotent : ∀ c l batch → status (after c l batch) ≡ ok → intern c (after c l batch) batch ≡ intern c l batch
idempotent c (ledger ks ok) batch e with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = absurd (p e)
... | _ | landed p q  = again
  where
  new = map (encode c) batch
  ks′ = ks ++ fresh c ks new

  still : all (wellFormed (length ks′)) batch ≡ true
  still = All⇒all _ batch λ {x} m →
    wellFormed-mono x (subst (length ks ≤_) (sym (length-++ ks _)) (m≤m+n (length ks) _)) (p m)

  again : intern c (ledger ks′ ok) batch ≡ (ledger ks′ ok , map (λ x → idOf ks′ (encode c x)) batch)
  again rewrite still
              | no-fresh c ks′ new (λ m → ∈-landed c ks new m)
              | ++-[] ks′
              | ≤⇒accept q = refl

-- One node alone is entered unless it is known.
single-is-add : ∀ c l x → status (after c l (x ∷ [])) ≡ ok → keys (after c l (x ∷ [])) ≡ addKey (keys l) (encode c x)
single-is-add c (ledger ks ok) x e with intern c (ledger ks ok) (x ∷ []) | outcome c ks (x ∷ [])
... | _ | refused s p = absurd (p e)
... | _ | landed p q with member (encode c x) ks
...   | true  = ++-[] ks
...   | false = cong (λ k → ks ++ (k ∷ [])) (undone (ranking c) (encode c x))

-- A batch lands as if its keys had been entered one by one, in the order of their ranks.
batch-is-fold : ∀ c l batch → status (after c l batch) ≡ ok →
  keys (after c l batch) ≡ foldl addKey (keys l) (inOrder c (map (encode c) batch))
batch-is-fold c (ledger ks ok) batch e with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = absurd (p e)
... | _ | landed p q  = sym (trans (fold-fresh ks (inOrder c new) (ordered-noDup c new)) (cong (ks ++_) filtered))
  where
  new = map (encode c) batch

  move-to : ∀ {k} → k ∈ filter (unknown ks) (inOrder c new) → k ∈ filter (unknown ks) new
  move-to m with to (∈-filter (unknown ks) (inOrder c new)) m
  ... | n , r = from (∈-filter (unknown ks) new) (to (∈-ordered c new) n , r)

  move-from : ∀ {k} → k ∈ filter (unknown ks) new → k ∈ filter (unknown ks) (inOrder c new)
  move-from m with to (∈-filter (unknown ks) new) m
  ... | n , r = from (∈-filter (unknown ks) (inOrder c new)) (from (∈-ordered c new) n , r)

  filtered : filter (unknown ks) (inOrder c new) ≡ fresh c ks new
  filtered = ordered-unique c (filter (unknown ks) new) (filter (unknown ks) (inOrder c new))
    (filter-ranks c (unknown ks) (inOrder c new) (ordered-ascending c new))
    (equivalence move-to move-from)
