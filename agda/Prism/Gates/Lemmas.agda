{-# OPTIONS --safe --without-K #-}

-- Rewriting as a function, and the finite facts about the tables, which hold by evaluation.

module Prism.Gates.Lemmas where

open import Prism.Gates.Base
open import Prism.Gates.Generated
open import Prism.List.Base
open import Prism.List.Properties
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties using (==⇒≡; ==-refl)

-- What holds for all elements by evaluation holds for each.
all-∈ : {A : Set} (p : A → Bool) (xs : List A) → all p xs ≡ true → ∀ {x} → x ∈ xs → p x ≡ true
all-∈ p (x ∷ xs) q (here refl) = ∧-left q
all-∈ p (x ∷ xs) q (there m)   = all-∈ p xs (∧-right {p x} q) m

-- Gates and axes are told apart by numbers.
gate-code : Gate → Nat
gate-code S = 0
gate-code X = 1
gate-code H = 2
gate-code Z = 3

axis-code : Axis → Nat
axis-code +X = 0
axis-code -X = 1
axis-code +Y = 2
axis-code -Y = 3
axis-code +Z = 4
axis-code -Z = 5

private
  gate-of : Nat → Gate
  gate-of 0 = S
  gate-of 1 = X
  gate-of 2 = H
  gate-of _ = Z

  gate-of-code : ∀ g → gate-of (gate-code g) ≡ g
  gate-of-code S = refl
  gate-of-code X = refl
  gate-of-code H = refl
  gate-of-code Z = refl

  axis-of : Nat → Axis
  axis-of 0 = +X
  axis-of 1 = -X
  axis-of 2 = +Y
  axis-of 3 = -Y
  axis-of 4 = +Z
  axis-of _ = -Z

  axis-of-code : ∀ a → axis-of (axis-code a) ≡ a
  axis-of-code +X = refl
  axis-of-code -X = refl
  axis-of-code +Y = refl
  axis-of-code -Y = refl
  axis-of-code +Z = refl
  axis-of-code -Z = refl

_≟_ : Gate → Gate → Bool
g ≟ h = gate-code g == gate-code h

_≟ᵃ_ : Axis → Axis → Bool
a ≟ᵃ b = axis-code a == axis-code b

≟-refl : ∀ g → (g ≟ g) ≡ true
≟-refl g = ==-refl (gate-code g)

≟-sound : ∀ g h → (g ≟ h) ≡ true → g ≡ h
≟-sound g h p = trans (sym (gate-of-code g)) (trans (cong gate-of (==⇒≡ (gate-code g) (gate-code h) p)) (gate-of-code h))

≟ᵃ-refl : ∀ a → (a ≟ᵃ a) ≡ true
≟ᵃ-refl a = ==-refl (axis-code a)

≟ᵃ-sound : ∀ a b → (a ≟ᵃ b) ≡ true → a ≡ b
≟ᵃ-sound a b p = trans (sym (axis-of-code a)) (trans (cong axis-of (==⇒≡ (axis-code a) (axis-code b) p)) (axis-of-code b))

every-gate : ∀ g → g ∈ gates
every-gate S = here refl
every-gate X = there (here refl)
every-gate H = there (there (here refl))
every-gate Z = there (there (there (here refl)))

every-axis : ∀ a → a ∈ axes
every-axis +X = here refl
every-axis -X = there (here refl)
every-axis +Y = there (there (here refl))
every-axis -Y = there (there (there (here refl)))
every-axis +Z = there (there (there (there (here refl))))
every-axis -Z = there (there (there (there (there (here refl)))))

-- Equality of words, and membership of a word in a list of words.
_≟ʷ_ : Word → Word → Bool
[]      ≟ʷ []      = true
[]      ≟ʷ (_ ∷ _) = false
(_ ∷ _) ≟ʷ []      = false
(g ∷ v) ≟ʷ (h ∷ w) = (g ≟ h) ∧ (v ≟ʷ w)

≟ʷ-sound : ∀ v w → (v ≟ʷ w) ≡ true → v ≡ w
≟ʷ-sound []      []      p = refl
≟ʷ-sound (g ∷ v) (h ∷ w) p = cong₂ _∷_ (≟-sound g h (∧-left p)) (≟ʷ-sound v w (∧-right {g ≟ h} p))

memberʷ : Word → List Word → Bool
memberʷ w []       = false
memberʷ w (v ∷ vs) = if w ≟ʷ v then true else memberʷ w vs

memberʷ-sound : ∀ w vs → memberʷ w vs ≡ true → w ∈ vs
memberʷ-sound w (v ∷ vs) p with w ≟ʷ v in q
... | true  = here (≟ʷ-sound w v q)
... | false = there (memberʷ-sound w vs p)

-- What is left of a word behind a prefix.
behind : Word → Word → Maybe Word
behind []      w       = just w
behind (_ ∷ _) []      = nothing
behind (g ∷ l) (h ∷ w) = if g ≟ h then behind l w else nothing

behind-sound : ∀ l w {s} → behind l w ≡ just s → w ≡ l ++ s
behind-sound []      w       refl = refl
behind-sound (g ∷ l) (h ∷ w) p with g ≟ h in q
... | true = cong₂ _∷_ (sym (≟-sound g h q)) (behind-sound l w p)

behind-complete : ∀ l s → behind l (l ++ s) ≡ just s
behind-complete []      s = refl
behind-complete (g ∷ l) s rewrite ≟-refl g = behind-complete l s

-- The first rule that applies at the head of a word.
head-step : Rules → Word → Maybe Word
head-step []             w = nothing
head-step ((l , r) ∷ rs) w with behind l w
... | just s  = just (r ++ s)
... | nothing = head-step rs w

head-step-sound : ∀ rs w {v} → head-step rs w ≡ just v → Step rs w v
head-step-sound ((l , r) ∷ rs) w p with behind l w in q
head-step-sound ((l , r) ∷ rs) w refl | just s =
  subst (λ u → Step ((l , r) ∷ rs) u (r ++ s)) (sym (behind-sound l w q)) (place [] s (here refl))
head-step-sound ((l , r) ∷ rs) w p | nothing with head-step-sound rs w p
... | place q s m = place q s (there m)

head-step-complete : ∀ rs {l r} s → (l , r) ∈ rs → head-step rs (l ++ s) ≢ nothing
head-step-complete ((l , r) ∷ rs) s (here refl) rewrite behind-complete l s = λ ()
head-step-complete ((l′ , r′) ∷ rs) {l} s (there m) with behind l′ (l ++ s)
... | just _  = λ ()
... | nothing = head-step-complete rs s m

-- One rewrite, as far left as possible.
step : Rules → Word → Maybe Word
step rs w with head-step rs w
step rs w       | just v  = just v
step rs []      | nothing = nothing
step rs (g ∷ w) | nothing = mapMaybe (g ∷_) (step rs w)

under : ∀ rs g {v w} → Step rs v w → Step rs (g ∷ v) (g ∷ w)
under rs g (place p s m) = place (g ∷ p) s m

step-sound : ∀ rs w {v} → step rs w ≡ just v → Step rs w v
step-sound rs w p with head-step rs w in q
step-sound rs w refl | just v = head-step-sound rs w q
step-sound rs (g ∷ w) p | nothing with step rs w in q′
step-sound rs (g ∷ w) refl | nothing | just v = under rs g (step-sound rs w q′)

step-complete : ∀ rs p {l r} s → (l , r) ∈ rs → step rs (p ++ (l ++ s)) ≢ nothing
step-complete rs [] {l} s m q with head-step rs (l ++ s) in e
step-complete rs [] {l} s m () | just _
... | nothing = head-step-complete rs s m e
step-complete rs (g ∷ p) {l} s m q with head-step rs (g ∷ p ++ (l ++ s))
step-complete rs (g ∷ p) {l} s m () | just _
... | nothing with step rs (p ++ (l ++ s)) in e
...   | nothing = step-complete rs p s m e

-- Rewrite at most n times.
rewrites : Rules → Nat → Word → Word
rewrites rs zero    w = w
rewrites rs (suc n) w with step rs w
... | just v  = rewrites rs n v
... | nothing = w

rewrites-sound : ∀ n w → w ⟶* rewrites gateRules n w
rewrites-sound zero    w = done
rewrites-sound (suc n) w with step gateRules w in q
... | just v  = then (step-sound gateRules w q) (rewrites-sound n v)
... | nothing = done

-- No rule applies at the head of a normal word.
normal-head : ∀ w → Normal w → head-step gateRules w ≡ nothing
normal-head w n with head-step gateRules w in q
... | nothing = refl
... | just v  = absurd (n (head-step-sound gateRules w q))

step-normal : ∀ w → step gateRules w ≡ nothing → Normal w
step-normal w e (place p s m) = step-complete gateRules p s m e

is-nothing : {A : Set} → Maybe A → Bool
is-nothing nothing  = true
is-nothing (just _) = false

is-nothing-sound : {A : Set} (x : Maybe A) → is-nothing x ≡ true → x ≡ nothing
is-nothing-sound nothing p = refl

-- Whether two words do the same to every axis.
same : Word → Word → Bool
same v w = all (λ a → move v a ≟ᵃ move w a) axes

same-sound : ∀ v w → same v w ≡ true → v ≈ w
same-sound v w p a = ≟ᵃ-sound _ _ (all-∈ (λ b → move v b ≟ᵃ move w b) axes p (every-axis a))

same-complete : ∀ v w → v ≈ w → same v w ≡ true
same-complete v w e = everywhere axes
  where
  everywhere : ∀ as → all (λ a → move v a ≟ᵃ move w a) as ≡ true
  everywhere []       = refl
  everywhere (a ∷ as) rewrite e a = ∧-intro (≟ᵃ-refl (move w a)) (everywhere as)

-- The tables, by evaluation ---------------------------------------------------

-- The two sides of each rule are in one class.
rules-keep-class : ∀ {l r} → (l , r) ∈ gateRules → l ≈ r
rules-keep-class {l} {r} m = same-sound l r (all-∈ (λ lr → same (fst lr) (snd lr)) gateRules refl m)

-- No rule applies to a shortest word.
shortest-step : ∀ {w} → w ∈ shortest → step gateRules w ≡ nothing
shortest-step {w} m = is-nothing-sound (step gateRules w) (all-∈ (λ v → is-nothing (step gateRules v)) shortest refl m)

-- A gate before a shortest word gives a shortest word, or a word to which a rule applies at the head.
extended : ∀ g {w} → w ∈ shortest → head-step gateRules (g ∷ w) ≡ nothing → g ∷ w ∈ shortest
extended g {w} m p with all-∈ sound shortest refl m
  where
  fine : Word → Gate → Bool
  fine w g = if is-nothing (head-step gateRules (g ∷ w)) then memberʷ (g ∷ w) shortest else true
  sound : Word → Bool
  sound w = all (fine w) gates
... | q with all-∈ (λ h → if is-nothing (head-step gateRules (h ∷ w)) then memberʷ (h ∷ w) shortest else true) gates q (every-gate g)
...   | r rewrite p = memberʷ-sound (g ∷ w) shortest r

-- A gate before a shortest word is rewritten to a shortest word in a few steps.
fuel : Nat
fuel = 24

reduced : ∀ g {w} → w ∈ shortest → rewrites gateRules fuel (g ∷ w) ∈ shortest
reduced g {w} m = memberʷ-sound _ shortest
  (all-∈ (λ h → memberʷ (rewrites gateRules fuel (h ∷ w)) shortest) gates
    (all-∈ (λ v → all (λ h → memberʷ (rewrites gateRules fuel (h ∷ v)) shortest) gates) shortest refl m) (every-gate g))

-- Shortest words of one class are one word.
distinct : ∀ {v w} → v ∈ shortest → w ∈ shortest → v ≈ w → v ≡ w
distinct {v} {w} m n e = ≟ʷ-sound v w (implied (all-∈ (λ y → told v y) shortest
    (all-∈ (λ x → all (λ y → told x y) shortest) shortest refl m) n))
  where
  told : Word → Word → Bool
  told x y = if same x y then x ≟ʷ y else true
  implied : told v w ≡ true → (v ≟ʷ w) ≡ true
  implied p rewrite same-complete v w e = p

-- Composition of rewriting ----------------------------------------------------

_then*_ : ∀ {u v w} → u ⟶* v → v ⟶* w → u ⟶* w
done       then* q = q
then s p   then* q = then s (p then* q)

under* : ∀ g {v w} → v ⟶* w → g ∷ v ⟶* g ∷ w
under* g done       = done
under* g (then s p) = then (under gateRules g s) (under* g p)

-- What a word does to an axis is what its parts do.
move-++ : ∀ v w a → move (v ++ w) a ≡ move v (move w a)
move-++ []      w a = refl
move-++ (g ∷ v) w a = cong (turn g) (move-++ v w a)
