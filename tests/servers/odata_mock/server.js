// Serves every <service>.edmx of a folder as OData V2: node server.js <port> <folder with metadata> <folder with handlers>
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const MockServer = require('@sap-ux/fe-mockserver-core').default;

const [port, metadata, mockdataPath] = process.argv.slice(2);
const names = fs.readdirSync(metadata).filter((name) => name.endsWith('.edmx'));
const services = names.map((name) => ({
    urlPath: `/sap/opu/odata/sap/${path.basename(name, '.edmx')}`,
    metadataPath: path.join(metadata, name),
    mockdataPath,
    generateMockData: false,
    noETag: true,
    strictKeyMode: true,
}));

async function main() {
    const mock = new MockServer({ services, annotations: [], watch: false });
    await mock.isReady;
    const notFound = (response) => () => {
        response.statusCode = 404;
        response.end();
    };
    const answer = (request, response) => mock.getRouter()(request, response, notFound(response));
    http.createServer(answer).listen(Number(port), '127.0.0.1');
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
