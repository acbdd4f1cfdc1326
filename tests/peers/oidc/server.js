// A certified OpenID provider on a free port of 127.0.0.1. Everything is in memory.
// Prints its issuer as the first line; ends when its standard input is closed.
import crypto from 'node:crypto';
import http from 'node:http';
import { Provider } from 'oidc-provider';

const ACCESS_TOKEN_SECONDS = 4;
const HASTY_SECONDS = 2;
const ODD = 'a&b=c+d%e:f'; // Basic works only form-encoded (RFC 6749 §2.3.1)

const native = {
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback', 'http://[::1]/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
};

const configuration = {
  // Others register themselves, as a test needs them.
  clients: [
    { ...native, client_id: 'public', token_endpoint_auth_method: 'none' },
    { ...native, client_id: 'orders-cli', token_endpoint_auth_method: 'none' }, // of the how-to
    {
      ...native,
      client_id: 'confidential',
      client_secret: ODD,
      token_endpoint_auth_method: 'client_secret_basic',
    },
    {
      ...native,
      client_id: 'posting',
      client_secret: ODD,
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  cookies: { keys: ['tests only'] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    registration: {
      enabled: true,
      secretFactory: () => crypto.randomBytes(32).toString('base64') + ODD,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({ scope: 'read write', audience: resource }),
    },
    revocation: { enabled: true },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'read', 'write'],
  ttl: {
    AccessToken: ACCESS_TOKEN_SECONDS,
    ClientCredentials: ACCESS_TOKEN_SECONDS,
    DeviceCode: (_, code, client) => (client.clientName === 'hasty' ? HASTY_SECONDS : 600),
    RefreshToken: 600,
    Session: 600,
    Grant: 600,
    Interaction: 600,
  },
};

const asked = []; // path and time of every request but those about this very list
const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const answer = new Provider(issuer, configuration).callback();
  server.on('request', (request, response) => {
    const path = request.url.split('?')[0];
    if (path === '/asked') return response.end(JSON.stringify(asked));
    asked.push([path, performance.now() / 1000]);
    return answer(request, response);
  });
  console.log(issuer);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
