{-# OPTIONS --safe --without-K #-}

-- Packing loses nothing below the cap, for ids of any width, and something above it.

module Prism.Key.Properties where

open import Prism.Key.Base
open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Logic.Properties
open import Prism.Nat.Base
open import Prism.Nat.Properties
import Prism.Generated as Generated
open import Prism.Signature.Base

open Packable

-- Unpacking a packed node gives it back, when its operands fit.
unpack-pack : ∀ w n → Packable w n → unpack w (pack w n) ≡ n
unpack-pack w (node o a b) (packable p q)
  rewrite /-digits (2 ^ w) (o * 2 ^ w + a) b (<⇒≤ q)
        | %-digits (2 ^ w) (o * 2 ^ w + a) b (<⇒≤ q)
        | /-digits (2 ^ w) o a (<⇒≤ p)
        | %-digits (2 ^ w) o a (<⇒≤ p) = refl

-- Below the cap, nodes with equal keys are equal, for every width of an id.
pack-injective : ∀ w {m n} → Packable w m → Packable w n → pack w m ≡ pack w n → m ≡ n
pack-injective w p q e = trans (sym (unpack-pack w _ p)) (trans (cong (unpack w) e) (unpack-pack w _ q))

-- Without the cap two different nodes have one key, for every width of an id.
pack-collides : ∀ w → Σ Node (λ m → Σ Node (λ n → m ≢ n × pack w m ≡ pack w n))
pack-collides w = node 0 0 (2 ^ w) , node 0 1 0 , (λ ()) , carry (2 ^ w)
  where
  carry : ∀ x → x ≡ (x + 0) + 0
  carry x = sym (trans (+-zero (x + 0)) (+-zero x))

-- No key of a node below the cap marks an empty slot.
pack-unmarked : ∀ w n → Packable w n → ¬ Marker w (pack w n)
pack-unmarked w (node o a b) (packable p q) m =
  <⇒≢ q (trans (cong suc (sym (%-digits (2 ^ w) (o * 2 ^ w + a) b (<⇒≤ q)))) m)

-- The largest id of every layout of the table is the last but one of its width.
layout-max : All (λ l → suc (suc (Layout.maxId l)) ≡ 2 ^ Layout.idBits l) Generated.layouts
layout-max (here refl)                         = refl
layout-max (there (here refl))                 = refl
layout-max (there (there (here refl)))         = refl
layout-max (there (there (there (here refl)))) = refl
