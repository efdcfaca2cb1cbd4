{-# OPTIONS --safe --without-K #-}

-- What the theorems of the ring rest on: the table of statuses checked by computation, and one job at a time.

module Prism.Ring.Lemmas where

open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Ring.Base
open import Prism.Ring.Generated

open Slot
open Ring

-- The table -------------------------------------------------------------------

listed : ∀ s → s ∈ slotStatuses
listed empty     = here refl
listed published = there (here refl)
listed claimed   = there (there (here refl))
listed done      = there (there (there (here refl)))
listed wait-io   = there (there (there (there (here refl))))
listed yield     = there (there (there (there (there (here refl)))))
listed requeue   = there (there (there (there (there (there (here refl))))))
listed fault     = there (there (there (there (there (there (there (here refl)))))))

balanced : SlotStatus → SlotStatus → Bool
balanced s t = one (active t) + one (active s ∧ terminal t) == one (active s) + one (not (active s) ∧ active t)

table-balanced : all (λ s → all (balanced s) (successors s)) slotStatuses ≡ true
table-balanced = refl

-- One step changes what is active by what is published less what ends.
step-balanced : ∀ s t → s ⟶ t → one (active t) + one (active s ∧ terminal t) ≡ one (active s) + one (not (active s) ∧ active t)
step-balanced s t follows = ==⇒≡ _ _
  (all⇒All (balanced s) (successors s) (all⇒All (λ s → all (balanced s) (successors s)) slotStatuses table-balanced (listed s)) follows)

-- Carry one step over to the steps after it: with f + E ≡ a + P and a + e ≡ b + p, f + (e + E) ≡ b + (p + P).
carry : ∀ (b : Bool) {f e E a p P} → f + E ≡ a + P → a + e ≡ one b + p → f + (e + E) ≡ one b + (p + P)
carry b {f} {e} {E} {a} {p} {P} after step =
  trans (sym (+-assoc f e E)) (trans (cong (_+ E) (+-comm f e)) (trans (+-assoc e f E) (trans (cong (e +_) after)
  (trans (sym (+-assoc e a P)) (trans (cong (_+ P) (+-comm e a)) (trans (cong (_+ P) step) (+-assoc (one b) p P)))))))

below-one : ∀ b → one b + 0 ≤ 1
below-one true  = s≤s z≤n
below-one false = z≤n

-- What is runnable may be claimed.
runnable-claims : ∀ s → runnable s ≡ true → s ⟶ claimed
runnable-claims published p = here refl
runnable-claims yield     p = here refl
runnable-claims requeue   p = here refl

-- Slots -----------------------------------------------------------------------

-- What became of the slots: one left in a status that may follow CLAIMED, the others as they were.
data Moved (ss : List Slot) (i : Nat) : List Slot → Set where
  left : ∀ t → claimed ⟶ t → Moved ss i (leaveAt i t ss)

execute-moves : ∀ windows r i s → Moved (slots r) i (slots (execute windows r i s))
execute-moves windows r i s with job s
... | fence n = left done (here refl)
... | writes ws with allInside (windows (tenant s)) ws
...   | true  = left done (here refl)
...   | false = left fault (there (there (there (there (here refl)))))

claimable-runnable : ∀ r i s → claimable r i s ≡ true → runnable (status s) ≡ true
claimable-runnable r i s p with job s
... | fence n   = ∧-left p
... | writes ws = p

claimable-due : ∀ r i s {n} → job s ≡ fence n → claimable r i s ≡ true → due i n (ticket s) 0 (slots r) ≡ true
claimable-due r i s q p with job s
claimable-due r i s refl p | fence n = ∧-right {runnable (status s)} p

leaveAt-at : ∀ i t ss j {s u} → at ss j ≡ just s → at (leaveAt i t ss) j ≡ just u → u ≡ s ⊎ (i ≡ j × u ≡ leave t s)
leaveAt-at zero    t (x ∷ ss) zero    refl refl = inj₂ (refl , refl)
leaveAt-at zero    t (x ∷ ss) (suc j) p    q    = inj₁ (just-injective (trans (sym q) p))
leaveAt-at (suc i) t (x ∷ ss) zero    p    q    = inj₁ (just-injective (trans (sym q) p))
leaveAt-at (suc i) t (x ∷ ss) (suc j) p    q with leaveAt-at i t ss j p q
... | inj₁ same         = inj₁ same
... | inj₂ (refl , new) = inj₂ (refl , new)

moved : ∀ {ss i ts j s t u} → Moved ss i ts → runnable (status u) ≡ true → at ss i ≡ just u →
  at ss j ≡ just s → at ts j ≡ just t → t ≡ s ⊎ (status s ⟶ claimed × claimed ⟶ status t)
moved {ss} {i} {j = j} (left new follows) run e p q with leaveAt-at i new ss j p q
... | inj₁ same          = inj₁ same
... | inj₂ (refl , refl) with just-injective (trans (sym e) p)
...   | refl = inj₂ (runnable-claims _ run , follows)

-- Batches ---------------------------------------------------------------------

due-ended : ∀ i n k o j ss → due i n k o ss ≡ true → ∀ {s} → at ss j ≡ just s → ofBatch i n k (o + j) s ≡ true →
  terminal (status s) ≡ true
due-ended i n k o zero    (x ∷ ss) p refl f rewrite +-zero o | f = ∧-left p
due-ended i n k o (suc j) (x ∷ ss) p {s} e f =
  due-ended i n k (suc o) j ss (∧-right {if ofBatch i n k o x then terminal (status x) else true} p) e
    (subst (λ place → ofBatch i n k place s ≡ true) (+-suc o j) f)

-- Words -----------------------------------------------------------------------

put-elsewhere : ∀ a v m b → (a ≡ b → ⊥) → at (put a v m) b ≡ at m b
put-elsewhere a       v []      b       n = refl
put-elsewhere zero    v (x ∷ m) zero    n = absurd (n refl)
put-elsewhere zero    v (x ∷ m) (suc b) n = refl
put-elsewhere (suc a) v (x ∷ m) zero    n = refl
put-elsewhere (suc a) v (x ∷ m) (suc b) n = put-elsewhere a v m b (λ e → n (cong suc e))

putAll-keeps : ∀ w ws m a → allInside w ws ≡ true → inside w a ≡ false → at (putAll ws m) a ≡ at m a
putAll-keeps w []             m a p out = refl
putAll-keeps w ((b , v) ∷ ws) m a p out =
  trans (putAll-keeps w ws (put b v m) a (∧-right {inside w b} p) out)
    (put-elsewhere b v m a (λ { refl → true≢false (trans (sym (∧-left p)) out) }))

execute-keeps : ∀ windows r i s a → inside (windows (tenant s)) a ≡ false →
  at (memory (execute windows r i s)) a ≡ at (memory r) a
execute-keeps windows r i s a out with job s
... | fence n = refl
... | writes ws with allInside (windows (tenant s)) ws in p
...   | true  = putAll-keeps (windows (tenant s)) ws (memory r) a p out
...   | false = refl
