//go:build !amd64

package cpu

// nativeGradients is not reached: there is no set but the portable one.
var nativeGradients = &plainGradients
