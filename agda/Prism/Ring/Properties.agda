{-# OPTIONS --safe --without-K #-}

-- What a slot's life and a worker's looks keep, for every ring and every assignment of windows.

module Prism.Ring.Properties where

open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
open import Prism.Ring.Base
open import Prism.Ring.Generated
open import Prism.Ring.Lemmas

open Slot
open Ring

-- A slot has ended as often as it was published, one more if it began active, one less while it is active.
balance : ∀ {s ts} → Life s ts → one (active (final s ts)) + ends s ts ≡ one (active s) + publications s ts
balance {s} []                      = refl
balance {s} {t ∷ ts} (follows ∷ life) =
  carry (active s) {one (active (final t ts))} (balance life) (step-balanced s t follows)

-- From EMPTY, a slot ends at most as often as it was published: no job ends twice.
done-at-most-once : ∀ {ts} → Life empty ts → ends empty ts ≤ publications empty ts
done-at-most-once {ts} life = subst (ends empty ts ≤_) (balance life) (m≤n+m (ends empty ts) (one (active (final empty ts))))

-- While it is not published anew, it ends at most once.
one-end-a-publication : ∀ {s ts} → Life s ts → publications s ts ≡ 0 → ends s ts ≤ 1
one-end-a-publication {s} {ts} life none = ≤-trans (m≤n+m (ends s ts) (one (active (final s ts))))
  (subst (_≤ 1) (sym (balance life)) (subst (λ n → one (active s) + n ≤ 1) (sym none) (below-one (active s))))

-- A look leaves each slot as it was, or takes one that is runnable through CLAIMED to its end.
look-follows : ∀ windows r i j {s t} → at (slots r) j ≡ just s → at (slots (look windows r i)) j ≡ just t →
  t ≡ s ⊎ (status s ⟶ claimed × claimed ⟶ status t)
look-follows windows r i j p q with at (slots r) i in e
... | nothing = inj₁ (just-injective (trans (sym q) p))
... | just u with claimable r i u in c
...   | false = inj₁ (just-injective (trans (sym q) p))
...   | true  = moved (execute-moves windows r i u) (claimable-runnable r i u c) e p q

-- A fence never passes an unfinished slot: where the epoch moves, every slot of the batch has ended.
fence-waits : ∀ windows r i {s n} → at (slots r) i ≡ just s → job s ≡ fence n → epoch (look windows r i) ≢ epoch r →
  ∀ j {t} → at (slots r) j ≡ just t → ofBatch i n (ticket s) j t ≡ true → terminal (status t) ≡ true
fence-waits windows r i p q moved j e f with at (slots r) i
fence-waits windows r i {s} refl q moved j e f | just s with claimable r i s in c
... | false = absurd (moved refl)
... | true  = due-ended i _ (ticket s) 0 j (slots r) (claimable-due r i s q c) e f

-- A tenant writes only its window: every other word is as it was.
writes-only-its-window : ∀ windows r i {s} a → at (slots r) i ≡ just s → inside (windows (tenant s)) a ≡ false →
  at (memory (look windows r i)) a ≡ at (memory r) a
writes-only-its-window windows r i a p out with at (slots r) i
writes-only-its-window windows r i {s} a refl out | just s with claimable r i s
... | false = refl
... | true  = execute-keeps windows r i s a out
