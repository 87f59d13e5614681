// What the handlers share: parts of a deep insert become entities of their own, refusals look like SAP's.
'use strict';

exports.addParts = async function (base, setName, parts, common, request) {
    const entities = await base.getEntityInterface(setName);
    for (const part of parts) {
        const empty = entities.getEmptyObject(request, true);
        await entities.addEntry({ ...empty, ...part, ...common(part) }, request);
    }
};

exports.refuse = function (handler, code, text) {
    const details = [{ code, message: text, severity: 'error' }];
    const error = { code, message: { lang: 'en', value: text }, innererror: { errordetails: details } };
    handler.throwError(text, 400, { error });
};
