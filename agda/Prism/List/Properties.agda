{-# OPTIONS --safe --without-K #-}

-- Laws of positions, membership, and canonical order.

module Prism.List.Properties where

open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties

open _⇔_

-- Membership -----------------------------------------------------------------

module _ {A : Set} where

  ∈-++ˡ : ∀ {x : A} {xs ys} → x ∈ xs → x ∈ xs ++ ys
  ∈-++ˡ (here p)  = here p
  ∈-++ˡ (there p) = there (∈-++ˡ p)

  ∈-++ʳ : ∀ {x : A} xs {ys} → x ∈ ys → x ∈ xs ++ ys
  ∈-++ʳ []       p = p
  ∈-++ʳ (y ∷ xs) p = there (∈-++ʳ xs p)

  ∈-++⁻ : ∀ {x : A} xs {ys} → x ∈ xs ++ ys → x ∈ xs ⊎ x ∈ ys
  ∈-++⁻ []       p         = inj₂ p
  ∈-++⁻ (y ∷ xs) (here p)  = inj₁ (here p)
  ∈-++⁻ (y ∷ xs) (there p) with ∈-++⁻ xs p
  ... | inj₁ q = inj₁ (there q)
  ... | inj₂ q = inj₂ q

  ++-assoc : (xs ys zs : List A) → (xs ++ ys) ++ zs ≡ xs ++ (ys ++ zs)
  ++-assoc []       ys zs = refl
  ++-assoc (x ∷ xs) ys zs = cong (x ∷_) (++-assoc xs ys zs)

  ++-[] : (xs : List A) → xs ++ [] ≡ xs
  ++-[] []       = refl
  ++-[] (x ∷ xs) = cong (x ∷_) (++-[] xs)

  length-++ : (xs ys : List A) → length (xs ++ ys) ≡ length xs + length ys
  length-++ []       ys = refl
  length-++ (x ∷ xs) ys = cong suc (length-++ xs ys)

  all⇒All : (p : A → Bool) (xs : List A) → all p xs ≡ true → All (λ x → p x ≡ true) xs
  all⇒All p (x ∷ xs) q (here refl) = ∧-left q
  all⇒All p (x ∷ xs) q (there m)   = all⇒All p xs (∧-right {p x} q) m

  All⇒all : (p : A → Bool) (xs : List A) → All (λ x → p x ≡ true) xs → all p xs ≡ true
  All⇒all p []       q = refl
  All⇒all p (x ∷ xs) q = ∧-intro (q (here refl)) (All⇒all p xs (λ m → q (there m)))

  all-sameSet : (p : A → Bool) (xs ys : List A) → SameSet xs ys → all p xs ≡ all p ys
  all-sameSet p xs ys same = bool-ext
    (λ q → All⇒all p ys (λ m → all⇒All p xs q (from same m)))
    (λ q → All⇒all p xs (λ m → all⇒All p ys q (to same m)))

  ∈-filter : (p : A → Bool) (xs : List A) → ∀ {x} → x ∈ filter p xs ⇔ (x ∈ xs × p x ≡ true)
  ∈-filter p xs = equivalence (there-and-back xs) (λ { (m , q) → keep xs m q })
    where
    there-and-back : ∀ xs {x} → x ∈ filter p xs → x ∈ xs × p x ≡ true
    there-and-back (y ∷ xs) m with p y in q
    there-and-back (y ∷ xs) (here refl) | true = here refl , q
    there-and-back (y ∷ xs) (there m)   | true with there-and-back xs m
    ... | m′ , r = there m′ , r
    there-and-back (y ∷ xs) m | false with there-and-back xs m
    ... | m′ , r = there m′ , r

    keep : ∀ xs {x} → x ∈ xs → p x ≡ true → x ∈ filter p xs
    keep (y ∷ xs) m q with p y in r
    keep (y ∷ xs) (here refl) q | true  = here refl
    keep (y ∷ xs) (there m)   q | true  = there (keep xs m q)
    keep (y ∷ xs) (here refl) q | false = absurd (true≢false (trans (sym q) r))
    keep (y ∷ xs) (there m)   q | false = keep xs m q

  filter-++ : (p : A → Bool) (xs ys : List A) → filter p (xs ++ ys) ≡ filter p xs ++ filter p ys
  filter-++ p []       ys = refl
  filter-++ p (x ∷ xs) ys with p x
  ... | true  = cong (x ∷_) (filter-++ p xs ys)
  ... | false = filter-++ p xs ys

  filter-cong : (p q : A → Bool) (xs : List A) → All (λ x → p x ≡ q x) xs → filter p xs ≡ filter q xs
  filter-cong p q []       same = refl
  filter-cong p q (x ∷ xs) same rewrite same (here refl) with q x
  ... | true  = cong (x ∷_) (filter-cong p q xs (λ m → same (there m)))
  ... | false = filter-cong p q xs (λ m → same (there m))

-- An element of a mapped list comes from an element of the list, and conversely.
∈-map : ∀ {A B : Set} (f : A → B) {x xs} → x ∈ xs → f x ∈ map f xs
∈-map f (here refl) = here refl
∈-map f (there m)   = there (∈-map f m)

∈-map⁻ : ∀ {A B : Set} (f : A → B) {y} xs → y ∈ map f xs → Σ A (λ x → x ∈ xs × y ≡ f x)
∈-map⁻ f (x ∷ xs) (here p)  = x , here refl , p
∈-map⁻ f (x ∷ xs) (there m) with ∈-map⁻ f xs m
... | z , n , p = z , there n , p

map-cong : ∀ {A B : Set} (f g : A → B) (xs : List A) → All (λ x → f x ≡ g x) xs → map f xs ≡ map g xs
map-cong f g []       same = refl
map-cong f g (x ∷ xs) same = cong₂ _∷_ (same (here refl)) (map-cong f g xs (λ m → same (there m)))

map-sameSet : ∀ {A B : Set} (f : A → B) {xs ys : List A} → SameSet xs ys → SameSet (map f xs) (map f ys)
map-sameSet f {xs} {ys} same = equivalence (carry xs ys (to same)) (carry ys xs (from same))
  where
  carry : ∀ us vs → (∀ {x} → x ∈ us → x ∈ vs) → ∀ {y} → y ∈ map f us → y ∈ map f vs
  carry us vs move m with ∈-map⁻ f us m
  ... | x , n , refl = ∈-map f (move n)

-- Positions ------------------------------------------------------------------

module _ {A : Set} where

  at-∈ : ∀ (xs : List A) i {x} → at xs i ≡ just x → x ∈ xs
  at-∈ (y ∷ xs) zero    refl = here refl
  at-∈ (y ∷ xs) (suc i) p    = there (at-∈ xs i p)

  at-< : ∀ (xs : List A) i {x} → at xs i ≡ just x → i < length xs
  at-< (y ∷ xs) zero    p = s≤s z≤n
  at-< (y ∷ xs) (suc i) p = s≤s (at-< xs i p)

  at-++ˡ : ∀ (xs ys : List A) i {x} → at xs i ≡ just x → at (xs ++ ys) i ≡ just x
  at-++ˡ (y ∷ xs) ys zero    p = p
  at-++ˡ (y ∷ xs) ys (suc i) p = at-++ˡ xs ys i p

  at-++ʳ : ∀ (xs ys : List A) i → at (xs ++ ys) (length xs + i) ≡ at ys i
  at-++ʳ []       ys i = refl
  at-++ʳ (x ∷ xs) ys i = at-++ʳ xs ys i

  -- Past the end of the first list, a position of the whole is a position of the second.
  at-++-≥ : ∀ (xs ys : List A) i {x} → length xs ≤ i → at (xs ++ ys) i ≡ just x → x ∈ ys
  at-++-≥ []       ys i       p       q = at-∈ ys i q
  at-++-≥ (y ∷ xs) ys (suc i) (s≤s p) q = at-++-≥ xs ys i p q

  -- Without duplicates, an element has one position.
  at-injective : ∀ {xs : List A} → NoDup xs → ∀ i j {x} → at xs i ≡ just x → at xs j ≡ just x → i ≡ j
  at-injective (n ∷ d) zero    zero    p    q    = refl
  at-injective (n ∷ d) zero    (suc j) refl q    = absurd (n (at-∈ _ j q))
  at-injective (n ∷ d) (suc i) zero    p    refl = absurd (n (at-∈ _ i p))
  at-injective (n ∷ d) (suc i) (suc j) p    q    = cong suc (at-injective d i j p q)

-- A number found at a position stands there.
find-at : ∀ k xs i → find k xs ≡ just i → at xs i ≡ just k
find-at k (x ∷ xs) i p with k == x in q
find-at k (x ∷ xs) i refl | true = cong just (sym (==⇒≡ k x q))
find-at k (x ∷ xs) i p    | false with find k xs in r
find-at k (x ∷ xs) (suc j) refl | false | just j = find-at k xs j r

-- A number that occurs is found.
∈⇒find : ∀ {k xs} → k ∈ xs → Σ Nat (λ i → find k xs ≡ just i)
∈⇒find {k} {x ∷ xs} m with k == x in q
... | true = zero , refl
∈⇒find {k} (here refl) | false = absurd (true≢false (trans (sym (==-refl k)) q))
∈⇒find {k} (there m)   | false with ∈⇒find m
... | i , p = suc i , cong (mapMaybe suc) p

-- Appending changes no answer of a search that succeeded.
find-++ : ∀ k xs ys i → find k xs ≡ just i → find k (xs ++ ys) ≡ just i
find-++ k (x ∷ xs) ys i p with k == x
... | true = p
find-++ k (x ∷ xs) ys i p | false with find k xs in r
find-++ k (x ∷ xs) ys (suc j) refl | false | just j = cong (mapMaybe suc) (find-++ k xs ys j r)

member⇒∈ : ∀ k xs → member k xs ≡ true → k ∈ xs
member⇒∈ k (x ∷ xs) p with k == x in q
... | true  = here (==⇒≡ k x q)
... | false = there (member⇒∈ k xs p)

∈⇒member : ∀ {k xs} → k ∈ xs → member k xs ≡ true
∈⇒member {k} {x ∷ xs} m with k == x in q
... | true = refl
∈⇒member {k} (here refl) | false = absurd (true≢false (trans (sym (==-refl k)) q))
∈⇒member (there m)       | false = ∈⇒member m

∉⇒member : ∀ k xs → k ∉ xs → member k xs ≡ false
∉⇒member k xs n with decide (member k xs)
... | inj₁ p = absurd (n (member⇒∈ k xs p))
... | inj₂ p = p

member-false : ∀ k xs → member k xs ≡ false → k ∉ xs
member-false k xs p m = true≢false (trans (sym (∈⇒member m)) p)

-- Canonical order ------------------------------------------------------------

ascending⇒noDup : ∀ {xs} → Ascending xs → NoDup xs
ascending⇒noDup []      = []
ascending⇒noDup (p ∷ a) = (λ m → <-irrefl (p m)) ∷ ascending⇒noDup a

∈-insert : ∀ k xs {z} → z ∈ insert k xs ⇔ (z ≡ k ⊎ z ∈ xs)
∈-insert k xs = equivalence (split xs) (join xs)
  where
  split : ∀ xs {z} → z ∈ insert k xs → z ≡ k ⊎ z ∈ xs
  split [] (here p) = inj₁ p
  split (x ∷ xs) m with k <ᵇ x | k == x
  split (x ∷ xs) (here p)  | true  | _     = inj₁ p
  split (x ∷ xs) (there m) | true  | _     = inj₂ m
  split (x ∷ xs) m         | false | true  = inj₂ m
  split (x ∷ xs) (here p)  | false | false = inj₂ (here p)
  split (x ∷ xs) (there m) | false | false with split xs m
  ... | inj₁ p = inj₁ p
  ... | inj₂ n = inj₂ (there n)

  join : ∀ xs {z} → z ≡ k ⊎ z ∈ xs → z ∈ insert k xs
  join [] (inj₁ p) = here p
  join (x ∷ xs) m with k <ᵇ x | k == x in q
  join (x ∷ xs) (inj₁ p)         | true  | _     = here p
  join (x ∷ xs) (inj₂ m)         | true  | _     = there m
  join (x ∷ xs) (inj₁ p)         | false | true  = here (trans p (==⇒≡ k x q))
  join (x ∷ xs) (inj₂ m)         | false | true  = m
  join (x ∷ xs) (inj₁ p)         | false | false = there (join xs (inj₁ p))
  join (x ∷ xs) (inj₂ (here p))  | false | false = here p
  join (x ∷ xs) (inj₂ (there m)) | false | false = there (join xs (inj₂ m))

insert-ascending : ∀ k {xs} → Ascending xs → Ascending (insert k xs)
insert-ascending k [] = (λ ()) ∷ []
insert-ascending k {x ∷ xs} (p ∷ a) with k <ᵇ x in l | k == x in q
... | true  | _    = (λ { (here refl) → below ; (there m) → <-trans below (p m) }) ∷ p ∷ a
  where below = <ᵇ⇒< k x l
... | false | true = p ∷ a
... | false | false = above ∷ insert-ascending k a
  where
  x<k : x < k
  x<k with compare x k
  ... | less r    = r
  ... | equal r   = absurd (==-false k x q (sym r))
  ... | greater r = absurd (true≢false (trans (sym (<⇒<ᵇ r)) l))

  above : All (x <_) (insert k xs)
  above m with to (∈-insert k xs) m
  ... | inj₁ refl = x<k
  ... | inj₂ n    = p n

∈-canon : ∀ xs {z} → z ∈ canon xs ⇔ z ∈ xs
∈-canon xs = equivalence (split xs) (join xs)
  where
  split : ∀ xs {z} → z ∈ canon xs → z ∈ xs
  split (x ∷ xs) m with to (∈-insert x (canon xs)) m
  ... | inj₁ p = here p
  ... | inj₂ n = there (split xs n)

  join : ∀ xs {z} → z ∈ xs → z ∈ canon xs
  join (x ∷ xs) (here p)  = from (∈-insert x (canon xs)) (inj₁ p)
  join (x ∷ xs) (there m) = from (∈-insert x (canon xs)) (inj₂ (join xs m))

canon-ascending : ∀ xs → Ascending (canon xs)
canon-ascending []       = []
canon-ascending (x ∷ xs) = insert-ascending x (canon-ascending xs)

-- Ascending lists with the same elements are equal.
ascending-unique : ∀ {xs ys} → Ascending xs → Ascending ys → SameSet xs ys → xs ≡ ys
ascending-unique [] [] same = refl
ascending-unique [] (q ∷ b) same with from same (here refl)
... | ()
ascending-unique (p ∷ a) [] same with to same (here refl)
... | ()
ascending-unique {x ∷ xs} {y ∷ ys} (p ∷ a) (q ∷ b) same = cong₂ _∷_ heads (ascending-unique a b tails)
  where
  heads : x ≡ y
  heads with to same (here refl) | from same (here refl)
  ... | here r  | _        = r
  ... | there _ | here r   = sym r
  ... | there m | there n  = absurd (<-asym (q m) (p n))

  shift : ∀ {us vs u v} → u ≡ v → All (u <_) us → (∀ {z} → z ∈ u ∷ us → z ∈ v ∷ vs) → ∀ {z} → z ∈ us → z ∈ vs
  shift e above move m with move (there m)
  ... | there n = n
  ... | here r  = absurd (<⇒≢ (above m) (trans e (sym r)))

  tails : SameSet xs ys
  tails = equivalence (shift heads p (to same)) (shift (sym heads) q (from same))

-- Canonical order depends on the elements as a set only.
canon-set : ∀ xs ys → SameSet xs ys → canon xs ≡ canon ys
canon-set xs ys same = ascending-unique (canon-ascending xs) (canon-ascending ys) (equivalence
  (λ m → from (∈-canon ys) (to same (to (∈-canon xs) m)))
  (λ m → from (∈-canon xs) (from same (to (∈-canon ys) m))))

filter-ascending : ∀ p {xs} → Ascending xs → Ascending (filter p xs)
filter-ascending p [] = []
filter-ascending p {x ∷ xs} (q ∷ a) with p x
... | true  = (λ m → q (fst (to (∈-filter p xs) m))) ∷ filter-ascending p a
... | false = filter-ascending p a

-- Lists without duplicates that share no element have none together.
++-noDup : ∀ {A : Set} {xs ys : List A} → NoDup xs → NoDup ys → All (_∉ xs) ys → NoDup (xs ++ ys)
++-noDup []      e apart = e
++-noDup {xs = x ∷ xs} (n ∷ d) e apart =
  (λ m → split (∈-++⁻ xs m)) ∷ ++-noDup d e (λ m k → apart m (there k))
  where
  split : x ∈ xs ⊎ x ∈ _ → ⊥
  split (inj₁ m) = n m
  split (inj₂ m) = apart m (here refl)
