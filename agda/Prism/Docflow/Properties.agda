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

private
  unchanged⇒same : (print : Nat → Nat) {Section : Set} (then now : Documents Section) → ∀ s → Told print then now s →
    unchanged (look print then s) (look print now s) ≡ true → content then s ≡ content now s
  unchanged⇒same print then now s apart p = apart (==⇒≡ _ _ (∧-right {version then s == version now s} p))

  same⇒unchanged : (print : Nat → Nat) {Section : Set} (then now : Documents Section) → ∀ s →
    version then s ≡ version now s → content then s ≡ content now s →
    unchanged (look print then s) (look print now s) ≡ true
  same⇒unchanged print then now s p q rewrite p | q =
    ∧-intro (==-refl (version now s)) (==-refl (print (content now s)))

-- A fresh review means that both sections read as when it was written, if the fingerprint tells what each was from what
-- it is; of other texts nothing is assumed.
fresh-sound : {Section : Set} (print : Nat → Nat) (then now : Documents Section) → ∀ s d →
  Told print then now s → Told print then now d → fresh? print now (reviewed print then s d) ≡ true →
  content then s ≡ content now s × content then d ≡ content now d
fresh-sound print then now s d apart apart′ p =
  unchanged⇒same print then now s apart (∧-left p) ,
  unchanged⇒same print then now d apart′ (∧-right {unchanged (look print then s) (look print now s)} p)

-- So it is of a whole tree: if all reviews are fresh, what each of them saw reads as it did when that review was written.
all-fresh-sound : {Section : Set} (print : Nat → Nat) (now : Documents Section) (reviews : List (Review Section)) →
  all-fresh? print now reviews ≡ true → (then : Documents Section) → ∀ s d →
  Told print then now s → Told print then now d → reviewed print then s d ∈ reviews →
  content then s ≡ content now s × content then d ≡ content now d
all-fresh-sound print now reviews p then s d apart apart′ m =
  fresh-sound print then now s d apart apart′ (all⇒All (fresh? print now) reviews p m)

-- A review of sections that are as they were is fresh, whatever the fingerprint.
fresh-complete : {Section : Set} (print : Nat → Nat) (then now : Documents Section) → ∀ s d →
  version then s ≡ version now s → content then s ≡ content now s →
  version then d ≡ version now d → content then d ≡ content now d →
  fresh? print now (reviewed print then s d) ≡ true
fresh-complete print then now s d p q r t =
  ∧-intro (same⇒unchanged print then now s p q) (same⇒unchanged print then now d r t)

-- If every review is fresh, so is each of them: one stale edge blocks.
one-stale-blocks : {Section : Set} (print : Nat → Nat) (documents : Documents Section)
  (reviews : List (Review Section)) → ∀ {r} →
  r ∈ reviews → fresh? print documents r ≡ false → all-fresh? print documents reviews ≡ false
one-stale-blocks print documents reviews m p with decide (all-fresh? print documents reviews)
... | inj₂ q = q
... | inj₁ q = absurd (true≢false (trans (sym (all⇒All (fresh? print documents) reviews q m)) p))

-- Versions written by hand are not enough: an edit that leaves the version alone is not seen, whatever the fingerprint.
version-blind : (print : Nat → Nat) → Σ (Documents ⊤) (λ then → Σ (Documents ⊤) (λ now →
  same-version (look print then tt) (look print now tt) ≡ true × content then tt ≢ content now tt))
version-blind print =
  record { content = λ _ → 0 ; version = λ _ → 1 } ,
  record { content = λ _ → 1 ; version = λ _ → 1 } , refl , λ ()
