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
open import Prism.Mixing.Base
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Signature.Base

open Config
open Ledger
open Mixing
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

-- Keys in order --------------------------------------------------------------

rank-injective : ∀ c {i j} → rank c i ≡ rank c j → i ≡ j
rank-injective c {i} {j} p = trans (sym (undone (ranking c) i)) (trans (cong (unrank c) p) (undone (ranking c) j))

unrank-rank : ∀ c ks → map (unrank c) (map (rank c) ks) ≡ ks
unrank-rank c []       = refl
unrank-rank c (k ∷ ks) = cong₂ _∷_ (undone (ranking c) k) (unrank-rank c ks)

-- What is ordered by rank is ordered, seen by its ranks.
rank-ordered : ∀ c ks → map (rank c) (inOrder c ks) ≡ canon (map (rank c) ks)
rank-ordered c ks = again (canon (map (rank c) ks)) (λ m → to (∈-canon (map (rank c) ks)) m)
  where
  again : ∀ ms → All (_∈ map (rank c) ks) ms → map (rank c) (map (unrank c) ms) ≡ ms
  again []       p = refl
  again (m ∷ ms) p with ∈-map⁻ (rank c) ks (p (here refl))
  ... | k , _ , refl = cong₂ _∷_ (cong (rank c) (undone (ranking c) k)) (again ms (λ n → p (there n)))

ordered-ascending : ∀ c ks → Ascending (map (rank c) (inOrder c ks))
ordered-ascending c ks = subst Ascending (sym (rank-ordered c ks)) (canon-ascending (map (rank c) ks))

∈-ordered : ∀ c ks {k} → k ∈ inOrder c ks ⇔ k ∈ ks
∈-ordered c ks {k} = equivalence there-to back
  where
  there-to : k ∈ inOrder c ks → k ∈ ks
  there-to m with ∈-map⁻ (unrank c) (canon (map (rank c) ks)) m
  ... | r , n , refl with ∈-map⁻ (rank c) ks (to (∈-canon (map (rank c) ks)) n)
  ...   | j , o , refl = subst (_∈ ks) (sym (undone (ranking c) j)) o

  back : k ∈ ks → k ∈ inOrder c ks
  back m = subst (_∈ inOrder c ks) (undone (ranking c) k)
    (∈-map (unrank c) (from (∈-canon (map (rank c) ks)) (∈-map (rank c) m)))

noDup-map⁻ : ∀ (f : Nat → Nat) ks → NoDup (map f ks) → NoDup ks
noDup-map⁻ f []       []      = []
noDup-map⁻ f (k ∷ ks) (n ∷ d) = (λ m → n (∈-map f m)) ∷ noDup-map⁻ f ks d

ordered-noDup : ∀ c ks → NoDup (inOrder c ks)
ordered-noDup c ks = noDup-map⁻ (rank c) (inOrder c ks) (ascending⇒noDup (ordered-ascending c ks))

ordered-set : ∀ c us vs → SameSet us vs → inOrder c us ≡ inOrder c vs
ordered-set c us vs same = cong (map (unrank c)) (canon-set _ _ (map-sameSet (rank c) same))

-- Keys whose ranks ascend are in order.
ordered-unique : ∀ c ks us → Ascending (map (rank c) us) → SameSet us ks → us ≡ inOrder c ks
ordered-unique c ks us a same = trans (sym (unrank-rank c us))
  (cong (map (unrank c)) (ascending-unique a (canon-ascending (map (rank c) ks)) (equivalence
    (λ m → from (∈-canon (map (rank c) ks)) (to (map-sameSet (rank c) same) m))
    (λ m → from (map-sameSet (rank c) same) (to (∈-canon (map (rank c) ks)) m)))))

filter-ranks : ∀ c p ks → Ascending (map (rank c) ks) → Ascending (map (rank c) (filter p ks))
filter-ranks c p []       []      = []
filter-ranks c p (k ∷ ks) (q ∷ a) with p k
... | false = filter-ranks c p ks a
... | true  = (λ m → q (still m)) ∷ filter-ranks c p ks a
  where
  still : ∀ {r} → r ∈ map (rank c) (filter p ks) → r ∈ map (rank c) ks
  still m with ∈-map⁻ (rank c) (filter p ks) m
  ... | j , n , refl = ∈-map (rank c) (fst (to (∈-filter p ks) n))

-- Fresh keys -----------------------------------------------------------------

∈-fresh : ∀ c ks new {k} → k ∈ fresh c ks new ⇔ (k ∈ new × k ∉ ks)
∈-fresh c ks new {k} = equivalence there-to back
  where
  there-to : k ∈ fresh c ks new → k ∈ new × k ∉ ks
  there-to m with to (∈-filter (unknown ks) new) (to (∈-ordered c (filter (unknown ks) new)) m)
  ... | n , p = n , member-false k ks (not-true p)

  back : k ∈ new × k ∉ ks → k ∈ fresh c ks new
  back (n , p) = from (∈-ordered c (filter (unknown ks) new))
    (from (∈-filter (unknown ks) new) (n , false-not (∉⇒member k ks p)))

fresh-ascending : ∀ c ks new → Ascending (map (rank c) (fresh c ks new))
fresh-ascending c ks new = ordered-ascending c (filter (unknown ks) new)

∈-landed : ∀ c ks new {k} → k ∈ new → k ∈ ks ++ fresh c ks new
∈-landed c ks new {k} m with decide (member k ks)
... | inj₁ p = ∈-++ˡ (member⇒∈ k ks p)
... | inj₂ p = ∈-++ʳ ks (from (∈-fresh c ks new) (m , member-false k ks p))

fresh-set : ∀ c ks new new′ → SameSet new new′ → fresh c ks new ≡ fresh c ks new′
fresh-set c ks new new′ same = ordered-set c (filter (unknown ks) new) (filter (unknown ks) new′)
  (equivalence (move new new′ (to same)) (move new′ new (from same)))
  where
  move : ∀ us vs → (∀ {k} → k ∈ us → k ∈ vs) → ∀ {k} → k ∈ filter (unknown ks) us → k ∈ filter (unknown ks) vs
  move us vs f m with to (∈-filter (unknown ks) us) m
  ... | n , p = from (∈-filter (unknown ks) vs) (f n , p)

no-fresh : ∀ c ks new → All (_∈ ks) new → fresh c ks new ≡ []
no-fresh c ks new known with fresh c ks new in p
... | []     = refl
... | k ∷ fs with to (∈-fresh c ks new) (subst (k ∈_) (sym p) (here refl))
...   | m , n = absurd (n (known m))

-- The two ways in which a batch ends ------------------------------------------

data Outcome (c : Config) (ks : List Nat) (batch : List Node) : Ledger × List Nat → Set where
  refused : ∀ s → s ≢ ok → Outcome c ks batch (ledger ks s , zeros batch)
  landed  : let ks′ = ks ++ fresh c ks (map (encode c) batch) in
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
... | true with accept c ks (fresh c ks (map (encode c) batch)) in q
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

fold-fresh : ∀ ks new → NoDup new → foldl addKey ks new ≡ ks ++ filter (unknown ks) new
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
    ... | inj₁ n           = ∈⇒member n
    ... | inj₂ (here refl) = absurd (p m)
