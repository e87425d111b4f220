//go:build !amd64

package cpu

import "runtime"

// pause waits for a moment that grows with n.
func pause(int) { runtime.Gosched() }
