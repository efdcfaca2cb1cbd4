{-# OPTIONS --safe --without-K #-}

-- A fresh verdict means that what was reviewed is what is there; a version number alone cannot mean that.

module Prism.Docflow.Properties where

open import Prism.Docflow.Base
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties

open Documents

-- If no two contents have one fingerprint, a fresh review means that both sections read as when it was written.
fresh-sound : {Section : Set} (print : Nat → Nat) → CollisionFree print → (then now : Documents Section) → ∀ s d →
  fresh? print now (reviewed print then s d) ≡ true →
  content then s ≡ content now s × content then d ≡ content now d
fresh-sound print injective then now s d p =
  injective (==⇒≡ _ _ (∧-left p)) ,
  injective (==⇒≡ _ _ (∧-right {print (content then s) == print (content now s)} p))

-- A review of unchanged sections is fresh, whatever the fingerprint.
fresh-complete : {Section : Set} (print : Nat → Nat) (then now : Documents Section) → ∀ s d →
  content then s ≡ content now s → content then d ≡ content now d →
  fresh? print now (reviewed print then s d) ≡ true
fresh-complete print then now s d p q rewrite p | q =
  ∧-intro (==-refl (print (content now s))) (==-refl (print (content now d)))

-- If every review is fresh, so is each of them: one stale edge blocks.
one-stale-blocks : {Section : Set} (print : Nat → Nat) (documents : Documents Section)
  (reviews : List (Review Section)) → ∀ {r} → r ∈ reviews → fresh? print documents r ≡ false → all-fresh? print documents reviews ≡ false
one-stale-blocks print documents reviews m p with decide (all-fresh? print documents reviews)
... | inj₂ q = q
... | inj₁ q = absurd (true≢false (trans (sym (all⇒All (fresh? print documents) reviews q m)) p))

-- Versions written by hand are not enough: an edit that leaves the version alone is not seen.
version-blind : Σ (Documents ⊤) (λ then → Σ (Documents ⊤) (λ now →
  same-version? then now tt ≡ true × content then tt ≢ content now tt))
version-blind =
  record { content = λ _ → 0 ; version = λ _ → 1 } ,
  record { content = λ _ → 1 ; version = λ _ → 1 } , refl , λ ()
