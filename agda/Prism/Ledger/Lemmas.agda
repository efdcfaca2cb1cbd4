{-# OPTIONS --safe --without-K #-}

-- What the laws of the ledger rest on.

open import Prism.Signature.Base using (Signature)

module Prism.Ledger.Lemmas (ops : Signature) where

open import Prism.Generated hiding (ops)
open import Prism.Key.Base
open import Prism.Key.Properties
open import Prism.Ledger.Base ops
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Signature.Base

open Config
open Ledger
open Valid
open _⇔_

private
  variable
    c : Config
    l : Ledger

-- Nodes ----------------------------------------------------------------------

operandOk-< : ∀ taken n x → 0 < n → operandOk taken n x ≡ true → x < n
operandOk-< true  n x p q = <ᵇ⇒< x n (∧-right {0 <ᵇ x} q)
operandOk-< false n x p q = subst (_< n) (sym (==⇒≡ x 0 q)) p

-- A well-formed node refers to nodes of the ledger only.
wellFormed-< : ∀ n x → 0 < n → wellFormed n x ≡ true → Node.a x < n × Node.b x < n
wellFormed-< n x p q with lookupOp (Node.op x) ops
... | just o = operandOk-< (0 <ᵇ Op.arity o) n (Node.a x) p (∧-left q)
             , operandOk-< (1 <ᵇ Op.arity o) n (Node.b x) p (∧-right {operandOk (0 <ᵇ Op.arity o) n (Node.a x)} q)

normalise-< : ∀ n x → Node.a x < n × Node.b x < n → Node.a (normalise x) < n × Node.b (normalise x) < n
normalise-< n x (p , q) with lookupOp (Node.op x) ops
... | nothing = p , q
... | just o with Op.commutes o ∧ (Node.b x <ᵇ Node.a x)
...   | true  = q , p
...   | false = p , q

operandOk-mono : ∀ taken {m n} x → m ≤ n → operandOk taken m x ≡ true → operandOk taken n x ≡ true
operandOk-mono true  {m} x p q =
  ∧-intro (∧-left {0 <ᵇ x} q) (<⇒<ᵇ (≤-trans (<ᵇ⇒< x m (∧-right {0 <ᵇ x} q)) p))
operandOk-mono false x p q = q

-- A node that may be added may be added later.
wellFormed-mono : ∀ {m n} x → m ≤ n → wellFormed m x ≡ true → wellFormed n x ≡ true
wellFormed-mono {m} x p q with lookupOp (Node.op x) ops
... | just o = ∧-intro
  (operandOk-mono (0 <ᵇ Op.arity o) (Node.a x) p (∧-left q))
  (operandOk-mono (1 <ᵇ Op.arity o) (Node.b x) p (∧-right {operandOk (0 <ᵇ Op.arity o) m (Node.a x)} q))

limit-≤-idCount : ∀ c → limit c ≤ idCount c
limit-≤-idCount c with capacity c <ᵇ idCount c in p
... | true  = <⇒≤ (<ᵇ⇒< (capacity c) (idCount c) p)
... | false = ≤-refl

limit-≤-capacity : ∀ c → limit c ≤ capacity c
limit-≤-capacity c with capacity c <ᵇ idCount c in p
... | true  = ≤-refl
... | false = <ᵇ-false (capacity c) (idCount c) p

below-cap : ∀ {a} x → a < x - 1 → suc a < x
below-cap (suc x) p = s≤s p

-- An id of a valid ledger fits the layout.
id-fits : Valid c l → ∀ {i} → i < count l → Fits (bits c) i
id-fits {c} v p = below-cap (2 ^ bits c) (≤-trans p (≤-trans (bounded v) (limit-≤-idCount c)))

occupied : Valid c l → 0 < count l
occupied v = ≤-trans (s≤s z≤n) (reserved v)

-- A well-formed node can be packed without loss.
packable-normal : Valid c l → ∀ x → wellFormed (count l) x ≡ true → Packable (bits c) (normalise x)
packable-normal {c} {l} v x p with normalise-< (count l) x (wellFormed-< (count l) x (occupied v) p)
... | q , r = packable (id-fits v q) (id-fits v r)

-- Fresh keys -----------------------------------------------------------------

∈-fresh : ∀ ks new {k} → k ∈ fresh ks new ⇔ (k ∈ new × k ∉ ks)
∈-fresh ks new {k} = equivalence there-to back
  where
  there-to : k ∈ fresh ks new → k ∈ new × k ∉ ks
  there-to m with to (∈-filter (unknown ks) new) (to (∈-canon (filter (unknown ks) new)) m)
  ... | n , p = n , member-false k ks (not-true p)

  back : k ∈ new × k ∉ ks → k ∈ fresh ks new
  back (n , p) =
    from (∈-canon (filter (unknown ks) new)) (from (∈-filter (unknown ks) new) (n , false-not (∉⇒member k ks p)))

fresh-ascending : ∀ ks new → Ascending (fresh ks new)
fresh-ascending ks new = canon-ascending (filter (unknown ks) new)

∈-landed : ∀ ks new {k} → k ∈ new → k ∈ ks ++ fresh ks new
∈-landed ks new {k} m with decide (member k ks)
... | inj₁ p = ∈-++ˡ (member⇒∈ k ks p)
... | inj₂ p = ∈-++ʳ ks (from (∈-fresh ks new) (m , member-false k ks p))

fresh-set : ∀ ks new new′ → SameSet new new′ → fresh ks new ≡ fresh ks new′
fresh-set ks new new′ same = ascending-unique (fresh-ascending ks new) (fresh-ascending ks new′)
  (equivalence (move new new′ (to same)) (move new′ new (from same)))
  where
  move : ∀ us vs → (∀ {k} → k ∈ us → k ∈ vs) → ∀ {k} → k ∈ fresh ks us → k ∈ fresh ks vs
  move us vs f m with to (∈-fresh ks us) m
  ... | n , p = from (∈-fresh ks vs) (f n , p)

no-fresh : ∀ ks new → All (_∈ ks) new → fresh ks new ≡ []
no-fresh ks new known with fresh ks new in p
... | []     = refl
... | k ∷ fs with to (∈-fresh ks new) (subst (k ∈_) (sym p) (here refl))
...   | m , n = absurd (n (known m))

-- The two ways in which a batch ends ------------------------------------------

data Outcome (c : Config) (ks : List Nat) (batch : List Node) : Ledger × List Nat → Set where
  refused : ∀ s → s ≢ ok → Outcome c ks batch (ledger ks s , zeros batch)
  landed  : let ks′ = ks ++ fresh ks (map (encode c) batch) in
            All (λ x → wellFormed (length ks) x ≡ true) batch → length ks′ ≤ limit c →
            Outcome c ks batch (ledger ks′ ok , map (λ x → idOf ks′ (encode c x)) batch)

overflow-≢-ok : ∀ c → overflow c ≢ ok
overflow-≢-ok c p with capacity c <ᵇ idCount c
overflow-≢-ok c () | true
overflow-≢-ok c () | false

≤⇒accept : ∀ {m n} → m ≤ n → (m <ᵇ suc n) ≡ true
≤⇒accept p = <⇒<ᵇ (s≤s p)

accept⇒≤ : ∀ m n → (m <ᵇ suc n) ≡ true → m ≤ n
accept⇒≤ m n p with <ᵇ⇒< m (suc n) p
... | s≤s q = q

outcome : ∀ c ks batch → Outcome c ks batch (intern c (ledger ks ok) batch)
outcome c ks batch with all (wellFormed (length ks)) batch in p
... | false = refused corrupt λ ()
... | true with accept c ks (fresh ks (map (encode c) batch)) in q
...   | true  = landed (all⇒All (wellFormed (length ks)) batch p) (accept⇒≤ _ (limit c) q)
...   | false = refused (overflow c) (overflow-≢-ok c)

-- Accepted batches -----------------------------------------------------------

known⇒at : ∀ ks k → k ∈ ks → at ks (idOf ks k) ≡ just k
known⇒at ks k m with ∈⇒find m
... | i , p rewrite p = find-at k ks i p

accepted⇒wellFormed : ∀ c l batch → status (after c l batch) ≡ ok → All (λ x → wellFormed (count l) x ≡ true) batch
accepted⇒wellFormed c (ledger ks ok) batch e with intern c (ledger ks ok) batch | outcome c ks batch
... | _ | refused s p = absurd (p e)
... | _ | landed p q  = p

fold-fresh : ∀ ks new → Ascending new → foldl addKey ks new ≡ ks ++ filter (unknown ks) new
fold-fresh ks []        []      = sym (++-[] ks)
fold-fresh ks (k ∷ new) (p ∷ a) with member k ks
... | true  = fold-fresh ks new a
... | false = trans (fold-fresh (ks ++ (k ∷ [])) new a)
  (trans (++-assoc ks (k ∷ []) _) (cong (λ fs → ks ++ (k ∷ fs)) (filter-cong _ _ new same)))
  where
  same : All (λ j → unknown (ks ++ (k ∷ [])) j ≡ unknown ks j) new
  same {j} m = cong not (bool-ext narrow (λ q → ∈⇒member (∈-++ˡ (member⇒∈ j ks q))))
    where
    narrow : member j (ks ++ (k ∷ [])) ≡ true → member j ks ≡ true
    narrow q with ∈-++⁻ ks (member⇒∈ j _ q)
    ... | inj₁ n        = ∈⇒member n
    ... | inj₂ (here r) = absurd (<⇒≢ (p m) (sym r))
