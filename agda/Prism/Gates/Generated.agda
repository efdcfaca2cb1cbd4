{-# OPTIONS --safe --without-K #-}

-- Generated from the tables of prism/kernels/circuit/gates.py by `python -m agda.tools.generate`; do not edit.

module Prism.Gates.Generated where

open import Prism.List.Base using (List; []; _∷_)
open import Prism.Logic.Base

data Gate : Set where
  S X H Z : Gate

gates : List Gate
gates = S ∷ X ∷ H ∷ Z ∷ []

-- The axes of the Bloch sphere, and where a gate takes each.
data Axis : Set where
  +X -X +Y -Y +Z -Z : Axis

axes : List Axis
axes = +X ∷ -X ∷ +Y ∷ -Y ∷ +Z ∷ -Z ∷ []

turn : Gate → Axis → Axis
turn S +X = +Y
turn S -X = -Y
turn S +Y = -X
turn S -Y = +X
turn S +Z = +Z
turn S -Z = -Z
turn X +X = +X
turn X -X = -X
turn X +Y = -Y
turn X -Y = +Y
turn X +Z = -Z
turn X -Z = +Z
turn H +X = +Z
turn H -X = -Z
turn H +Y = -Y
turn H -Y = +Y
turn H +Z = +X
turn H -Z = -X
turn Z +X = -X
turn Z -X = +X
turn Z +Y = -Y
turn Z -Y = +Y
turn Z +Z = +Z
turn Z -Z = -Z

-- The first word of each class of words.
shortest : List (List Gate)
shortest =
  ([]) ∷
  (S ∷ []) ∷
  (X ∷ []) ∷
  (H ∷ []) ∷
  (Z ∷ []) ∷
  (S ∷ X ∷ []) ∷
  (S ∷ H ∷ []) ∷
  (S ∷ Z ∷ []) ∷
  (X ∷ S ∷ []) ∷
  (X ∷ H ∷ []) ∷
  (X ∷ Z ∷ []) ∷
  (H ∷ S ∷ []) ∷
  (H ∷ X ∷ []) ∷
  (S ∷ X ∷ H ∷ []) ∷
  (S ∷ H ∷ S ∷ []) ∷
  (S ∷ H ∷ X ∷ []) ∷
  (X ∷ S ∷ H ∷ []) ∷
  (X ∷ H ∷ S ∷ []) ∷
  (X ∷ H ∷ X ∷ []) ∷
  (H ∷ S ∷ X ∷ []) ∷
  (H ∷ S ∷ H ∷ []) ∷
  (H ∷ X ∷ S ∷ []) ∷
  (S ∷ X ∷ H ∷ S ∷ []) ∷
  (S ∷ H ∷ X ∷ S ∷ []) ∷
  []

gateRules : List (List Gate × List Gate)
gateRules =
  (S ∷ S ∷ [] , Z ∷ []) ∷
  (X ∷ X ∷ [] , []) ∷
  (H ∷ H ∷ [] , []) ∷
  (H ∷ Z ∷ [] , X ∷ H ∷ []) ∷
  (Z ∷ S ∷ [] , S ∷ Z ∷ []) ∷
  (Z ∷ X ∷ [] , X ∷ Z ∷ []) ∷
  (Z ∷ H ∷ [] , H ∷ X ∷ []) ∷
  (Z ∷ Z ∷ [] , []) ∷
  (S ∷ X ∷ S ∷ [] , X ∷ []) ∷
  (S ∷ X ∷ Z ∷ [] , X ∷ S ∷ []) ∷
  (X ∷ S ∷ X ∷ [] , S ∷ Z ∷ []) ∷
  (X ∷ S ∷ Z ∷ [] , S ∷ X ∷ []) ∷
  (H ∷ S ∷ Z ∷ [] , X ∷ H ∷ S ∷ []) ∷
  (H ∷ X ∷ H ∷ [] , Z ∷ []) ∷
  (H ∷ X ∷ Z ∷ [] , X ∷ H ∷ X ∷ []) ∷
  (S ∷ X ∷ H ∷ X ∷ [] , X ∷ S ∷ H ∷ []) ∷
  (S ∷ H ∷ S ∷ X ∷ [] , H ∷ S ∷ H ∷ []) ∷
  (S ∷ H ∷ S ∷ H ∷ [] , X ∷ H ∷ S ∷ []) ∷
  (X ∷ S ∷ H ∷ S ∷ [] , H ∷ S ∷ H ∷ []) ∷
  (X ∷ S ∷ H ∷ X ∷ [] , S ∷ X ∷ H ∷ []) ∷
  (X ∷ H ∷ S ∷ X ∷ [] , H ∷ X ∷ S ∷ []) ∷
  (X ∷ H ∷ S ∷ H ∷ [] , S ∷ H ∷ S ∷ []) ∷
  (X ∷ H ∷ X ∷ S ∷ [] , H ∷ S ∷ X ∷ []) ∷
  (H ∷ S ∷ X ∷ H ∷ [] , S ∷ H ∷ X ∷ S ∷ []) ∷
  (H ∷ S ∷ H ∷ S ∷ [] , S ∷ H ∷ X ∷ []) ∷
  (H ∷ S ∷ H ∷ X ∷ [] , S ∷ H ∷ S ∷ []) ∷
  (H ∷ X ∷ S ∷ H ∷ [] , S ∷ X ∷ H ∷ S ∷ []) ∷
  []
