{-# OPTIONS --safe --without-K #-}

-- Rewriting keeps the class of a word, and every class has one normal form, which is one of the shortest words.

module Prism.Gates.Properties where

open import Prism.Gates.Base
open import Prism.Gates.Generated
open import Prism.Gates.Lemmas
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Logic.Properties

-- A rewrite keeps the class.
rule-keeps-class : ∀ {v w} → v ⟶ w → v ≈ w
rule-keeps-class (place p {l} {r} s m) a
  rewrite move-++ p (l ++ s) a | move-++ p (r ++ s) a | move-++ l s a | move-++ r s a
  = cong (move p) (rules-keep-class m (move s a))

-- So does any number of rewrites.
rewriting-keeps-class : ∀ {v w} → v ⟶* w → v ≈ w
rewriting-keeps-class done       a = refl
rewriting-keeps-class (then s p) a = trans (rule-keeps-class s a) (rewriting-keeps-class p a)

-- A word to which no rule applies is one of the shortest words.
normal-is-shortest : ∀ w → Normal w → w ∈ shortest
normal-is-shortest []      n = here refl
normal-is-shortest (g ∷ w) n = extended g (normal-is-shortest w (λ s → n (under gateRules g s))) (normal-head (g ∷ w) n)

-- No rule applies to a shortest word.
shortest-is-normal : ∀ {w} → w ∈ shortest → Normal w
shortest-is-normal {w} m = step-normal w (shortest-step m)

-- Normal words of one class are one word.
normal-unique : ∀ {v w} → Normal v → Normal w → v ≈ w → v ≡ w
normal-unique {v} {w} m n = distinct (normal-is-shortest v m) (normal-is-shortest w n)

-- Every word can be rewritten to a normal word.
normalises : ∀ w → Σ Word (λ v → w ⟶* v × v ∈ shortest)
normalises []      = [] , done , here refl
normalises (g ∷ w) with normalises w
... | v , p , m = rewrites gateRules fuel (g ∷ v) , (under* g p then* rewrites-sound fuel (g ∷ v)) , reduced g m

-- Whatever the order of rewrites, they end in one word.
confluent : ∀ {u v w} → u ⟶* v → u ⟶* w → Normal v → Normal w → v ≡ w
confluent p q m n = normal-unique m n (λ a → trans (sym (rewriting-keeps-class p a)) (rewriting-keeps-class q a))
