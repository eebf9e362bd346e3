package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// guarded lets requests through that show the token, all where there is none.
// The comparison takes as long for a token that is nearly right.
func guarded(token string, h http.Handler) http.Handler {
	if token == "" {
		return h
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(shown)))
		if right := subtle.ConstantTimeCompare(got[:], want[:]) == 1; !right || !strings.EqualFold(scheme, "Bearer") {
			tell(w, faultf(http.StatusUnauthorized, "the server wants its token: send it in a header Authorization: Bearer TOKEN"))
			return
		}
		h.ServeHTTP(w, r)
	})
}
