from django.conf import settings

# As strict as it gets: no inline script, no inline style, nothing from elsewhere but the store.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' {settings.S3_ENDPOINT_URL}",
        f"connect-src 'self' {settings.S3_ENDPOINT_URL}",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


def content_security_policy(get_response):
    def middleware(request):
        response = get_response(request)
        # Django's own page for an exception has inline styles.
        if response.status_code < 500:
            response.headers["Content-Security-Policy"] = POLICY
        return response

    return middleware
