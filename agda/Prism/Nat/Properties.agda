{-# OPTIONS --safe --without-K #-}

-- Arithmetic and order of the natural numbers.

module Prism.Nat.Properties where

open import Agda.Builtin.Nat using (div-helper; mod-helper)

open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base

-- Addition and multiplication ------------------------------------------------

suc-injective : ∀ {m n} → suc m ≡ suc n → m ≡ n
suc-injective refl = refl

+-zero : ∀ m → m + zero ≡ m
+-zero zero    = refl
+-zero (suc m) = cong suc (+-zero m)

+-suc : ∀ m n → m + suc n ≡ suc (m + n)
+-suc zero    n = refl
+-suc (suc m) n = cong suc (+-suc m n)

+-comm : ∀ m n → m + n ≡ n + m
+-comm zero    n = sym (+-zero n)
+-comm (suc m) n = trans (cong suc (+-comm m n)) (sym (+-suc n m))

+-assoc : ∀ m n o → (m + n) + o ≡ m + (n + o)
+-assoc zero    n o = refl
+-assoc (suc m) n o = cong suc (+-assoc m n o)

*-zero : ∀ m → m * zero ≡ zero
*-zero zero    = refl
*-zero (suc m) = *-zero m

*-suc : ∀ m n → m * suc n ≡ m + m * n
*-suc zero    n = refl
*-suc (suc m) n = cong suc (trans (cong (n +_) (*-suc m n)) (swap n m (m * n)))
  where
  swap : ∀ x y z → x + (y + z) ≡ y + (x + z)
  swap x y z = trans (sym (+-assoc x y z)) (trans (cong (_+ z) (+-comm x y)) (+-assoc y x z))

*-comm : ∀ m n → m * n ≡ n * m
*-comm zero    n = sym (*-zero n)
*-comm (suc m) n = trans (cong (n +_) (*-comm m n)) (sym (*-suc n m))

+-cancelˡ : ∀ m {n o} → m + n ≡ m + o → n ≡ o
+-cancelˡ zero    p = p
+-cancelˡ (suc m) p = +-cancelˡ m (suc-injective p)

-- Order ----------------------------------------------------------------------

≤-refl : ∀ {n} → n ≤ n
≤-refl {zero}  = z≤n
≤-refl {suc n} = s≤s ≤-refl

≤-trans : ∀ {m n o} → m ≤ n → n ≤ o → m ≤ o
≤-trans z≤n     q       = z≤n
≤-trans (s≤s p) (s≤s q) = s≤s (≤-trans p q)

≤-step : ∀ {m n} → m ≤ n → m ≤ suc n
≤-step z≤n     = z≤n
≤-step (s≤s p) = s≤s (≤-step p)

<⇒≤ : ∀ {m n} → m < n → m ≤ n
<⇒≤ (s≤s p) = ≤-step p

<-trans : ∀ {m n o} → m < n → n < o → m < o
<-trans p q = ≤-trans p (<⇒≤ q)

<-irrefl : ∀ {n} → ¬ (n < n)
<-irrefl (s≤s p) = <-irrefl p

<⇒≢ : ∀ {m n} → m < n → m ≢ n
<⇒≢ p refl = <-irrefl p

<-asym : ∀ {m n} → m < n → ¬ (n < m)
<-asym p q = <-irrefl (<-trans p q)

≤⇒≯ : ∀ {m n} → m ≤ n → ¬ (n < m)
≤⇒≯ p q = <-irrefl (≤-trans q p)

m≤m+n : ∀ m n → m ≤ m + n
m≤m+n zero    n = z≤n
m≤m+n (suc m) n = s≤s (m≤m+n m n)

m≤n+m : ∀ m n → m ≤ n + m
m≤n+m m n = subst (m ≤_) (+-comm m n) (m≤m+n m n)

+-mono-≤ : ∀ {m n o p} → m ≤ n → o ≤ p → m + o ≤ n + p
+-mono-≤ {n = n} {p = p} z≤n q = ≤-trans q (m≤n+m p n)
+-mono-≤ (s≤s p) q = s≤s (+-mono-≤ p q)

+-monoʳ-< : ∀ m {n o} → n < o → m + n < m + o
+-monoʳ-< zero    p = p
+-monoʳ-< (suc m) p = s≤s (+-monoʳ-< m p)

*-monoˡ-≤ : ∀ {m n} o → m ≤ n → m * o ≤ n * o
*-monoˡ-≤ o z≤n     = z≤n
*-monoˡ-≤ o (s≤s p) = +-mono-≤ (≤-refl {o}) (*-monoˡ-≤ o p)

-- A larger leading digit outweighs any last digit.
digits-mono : ∀ x {u v b} d → b < x → u < v → u * x + b < v * x + d
digits-mono x {u} {v} {b} d p q = ≤-trans
  (subst (_< suc u * x) (+-comm b (u * x)) (+-mono-≤ p (≤-refl {u * x})))
  (≤-trans (*-monoˡ-≤ x q) (m≤m+n (v * x) d))

-- Three ways in which two numbers can lie.
data Trichotomy (m n : Nat) : Set where
  less    : m < n → Trichotomy m n
  equal   : m ≡ n → Trichotomy m n
  greater : n < m → Trichotomy m n

compare : ∀ m n → Trichotomy m n
compare zero    zero    = equal refl
compare zero    (suc n) = less (s≤s z≤n)
compare (suc m) zero    = greater (s≤s z≤n)
compare (suc m) (suc n) with compare m n
... | less p    = less (s≤s p)
... | equal p   = equal (cong suc p)
... | greater p = greater (s≤s p)

-- The Boolean tests decide the relations -------------------------------------

==⇒≡ : ∀ m n → (m == n) ≡ true → m ≡ n
==⇒≡ zero    zero    p = refl
==⇒≡ (suc m) (suc n) p = cong suc (==⇒≡ m n p)

==-refl : ∀ n → (n == n) ≡ true
==-refl zero    = refl
==-refl (suc n) = ==-refl n

≢⇒== : ∀ m n → m ≢ n → (m == n) ≡ false
≢⇒== m n p with decide (m == n)
... | inj₁ q = absurd (p (==⇒≡ m n q))
... | inj₂ q = q

==-false : ∀ m n → (m == n) ≡ false → m ≢ n
==-false m .m p refl = true≢false (trans (sym (==-refl m)) p)

<ᵇ⇒< : ∀ m n → (m <ᵇ n) ≡ true → m < n
<ᵇ⇒< zero    (suc n) p = s≤s z≤n
<ᵇ⇒< (suc m) (suc n) p = s≤s (<ᵇ⇒< m n p)

<⇒<ᵇ : ∀ {m n} → m < n → (m <ᵇ n) ≡ true
<⇒<ᵇ {zero}  (s≤s p) = refl
<⇒<ᵇ {suc m} (s≤s p) = <⇒<ᵇ p

<ᵇ-false : ∀ m n → (m <ᵇ n) ≡ false → n ≤ m
<ᵇ-false m       zero    p = z≤n
<ᵇ-false (suc m) (suc n) p = s≤s (<ᵇ-false m n p)

-- Division -------------------------------------------------------------------

div-helper-short : ∀ k m r j → r ≤ j → div-helper k m r j ≡ k
div-helper-short k m zero    j       p       = refl
div-helper-short k m (suc r) (suc j) (s≤s p) = div-helper-short k m r j p

div-helper-carry : ∀ k m j n → div-helper k m (suc j + n) j ≡ div-helper (suc k) m n m
div-helper-carry k m zero    n = refl
div-helper-carry k m (suc j) n = div-helper-carry k m j n

div-helper-digits : ∀ k m q r → r ≤ m → div-helper k m (q * suc m + r) m ≡ k + q
div-helper-digits k m zero    r p = trans (div-helper-short k m r m p) (sym (+-zero k))
div-helper-digits k m (suc q) r p =
  trans (cong (λ n → div-helper k m n m) (+-assoc (suc m) (q * suc m) r))
  (trans (div-helper-carry k m m (q * suc m + r))
  (trans (div-helper-digits (suc k) m q r p) (sym (+-suc k q))))

mod-helper-short : ∀ k m r j → r ≤ j → mod-helper k m r j ≡ k + r
mod-helper-short k m zero    j       p       = sym (+-zero k)
mod-helper-short k m (suc r) (suc j) (s≤s p) = trans (mod-helper-short (suc k) m r j p) (sym (+-suc k r))

mod-helper-carry : ∀ k m j n → mod-helper k m (suc j + n) j ≡ mod-helper zero m n m
mod-helper-carry k m zero    n = refl
mod-helper-carry k m (suc j) n = mod-helper-carry (suc k) m j n

mod-helper-digits : ∀ m q r → r ≤ m → mod-helper zero m (q * suc m + r) m ≡ r
mod-helper-digits m zero    r p = mod-helper-short zero m r m p
mod-helper-digits m (suc q) r p =
  trans (cong (λ n → mod-helper zero m n m) (+-assoc (suc m) (q * suc m) r))
  (trans (mod-helper-carry zero m m (q * suc m + r)) (mod-helper-digits m q r p))

-- The quotient of `q * b + r` by `b` is `q` when `r` is a digit.
/-digits : ∀ b q r → r < b → (q * b + r) / b ≡ q
/-digits (suc m) q r (s≤s p) = div-helper-digits zero m q r p

-- The remainder of `q * b + r` by `b` is `r` when `r` is a digit.
%-digits : ∀ b q r → r < b → (q * b + r) % b ≡ r
%-digits (suc m) q r (s≤s p) = mod-helper-digits m q r p
