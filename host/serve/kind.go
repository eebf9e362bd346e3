package serve

import (
	"bytes"
	"mime"
	"net/http"
	"strings"

	"mdlstm-gpu/host/nn"
)

// kind is how samples or outputs are written.
type kind string

const (
	kindArray   kind = "application/x-npy"
	kindLists   kind = "application/json"
	kindPicture kind = "image/png" // JPEG too, as an input
)

// bodyKind is what the header says of a body, "" where that is left to its first
// bytes.
func bodyKind(h http.Header) (kind, error) {
	text := h.Get("Content-Type")
	if text == "" {
		return "", nil
	}
	media, _, err := mime.ParseMediaType(text)
	if err != nil {
		return "", faultf(http.StatusUnsupportedMediaType, "Content-Type %.60q: %s", text, wantKinds)
	}
	switch media {
	case "application/json":
		return kindLists, nil
	case "application/x-npy", "application/npy":
		return kindArray, nil
	case "image/png", "image/jpeg":
		return kindPicture, nil
	case "application/octet-stream", "application/x-www-form-urlencoded": // curl --data-binary says the latter of anything
		return "", nil
	}
	return "", faultf(http.StatusUnsupportedMediaType, "Content-Type %.60q: %s", text, wantKinds)
}

const wantKinds = "want application/x-npy (an array), image/png or image/jpeg (a picture), or application/json"

// sniff is the kind of a body by its first bytes.
func sniff(body []byte) (kind, error) {
	switch {
	case bytes.HasPrefix(body, []byte("\x93NUMPY")), bytes.HasPrefix(body, []byte("PK\x03\x04")): // the latter is refused by a better text
		return kindArray, nil
	case bytes.HasPrefix(body, []byte("\x89PNG")), bytes.HasPrefix(body, []byte("\xff\xd8\xff")):
		return kindPicture, nil
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")):
		return kindLists, nil
	}
	return "", faultf(http.StatusUnsupportedMediaType, "the body is neither a .npy array, a PNG or JPEG picture, nor JSON: %s", wantKinds)
}

// answerKind is how the outputs are to be written: as the client accepts, else
// as the body was.
func answerKind(h http.Header, body kind, m *nn.Model) (kind, error) {
	text := strings.Join(h.Values("Accept"), ",")
	if text == "" {
		return body, nil
	}
	var asked []kind
	for item := range strings.SplitSeq(text, ",") {
		media, _, err := mime.ParseMediaType(item)
		switch {
		case err != nil:
		case media == "*/*", media == "application/*" && body != kindPicture, media == "image/*" && body == kindPicture:
			return body, nil
		case media == "application/json":
			asked = append(asked, kindLists)
		case media == "application/x-npy", media == "application/npy", media == "application/octet-stream":
			asked = append(asked, kindArray)
		case media == "image/png", media == "image/*":
			asked = append(asked, kindPicture)
		}
	}
	for _, k := range asked {
		if k == body {
			return body, nil
		}
	}
	for _, k := range asked {
		if k != kindPicture || m.Pictures() == nil {
			return k, nil
		}
	}
	return "", faultf(http.StatusNotAcceptable, "Accept %.60q: the outputs can be had as application/x-npy, application/json, and of pictures as image/png", text)
}
