// The kernels of one level, written once over vectors of LANES numbers; each level includes this with its own compiler
// flags and instantiates it. All is in an anonymous namespace: a function that the linker merged with that of another
// level would end in an illegal instruction on a processor that lacks it.
//
// A row whose width is no multiple of LANES ends in a vector filled up with zeros, so that an element has the same bits
// wherever it stands.

#pragma once
#include "instructions.inl"
#include "narrowing.inl"
#include "products.inl"
